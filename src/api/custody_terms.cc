#include "api/custody_terms.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "fmt/format.h"

namespace freehold::api {
namespace {

namespace json = boost::json;

// A node writes down once a minute that it has heard its server.
constexpr Duration kLeastOpenGrant = std::chrono::minutes(2);

std::optional<Duration> ReadDuration(JsonReader& reader, const char* name, Duration least) {
  if (!reader.Has(name)) {
    reader.Ignore(name);
    return std::nullopt;
  }
  const std::string text = reader.Text(name);
  const auto duration = ParseDuration(text);
  if (!duration.ok()) {
    reader.Refuse(name, duration.error().message());
    return std::nullopt;
  }
  if (const Status possible = CheckDuration(*duration, least); !possible.ok()) {
    reader.Refuse(name, possible.error().message());
    return std::nullopt;
  }
  return *duration;
}

template <typename T>
std::optional<T> Choice(JsonReader& reader, const char* name, const std::string& text,
                        Result<T> (*from_name)(std::string_view)) {
  auto choice = from_name(text);
  if (choice.ok()) return *choice;
  std::string_view words = choice.error().message();
  words.remove_prefix(std::min(words.size(), std::string_view(name).size() + 1));
  reader.Refuse(name, words);
  return std::nullopt;
}

template <typename T>
std::vector<T> ReadAllowed(JsonReader& reader, const char* name,
                           Result<T> (*from_name)(std::string_view)) {
  std::vector<T> allowed;
  for (const std::string& text : reader.Texts(name)) {
    if (const auto choice = Choice<T>(reader, name, text, from_name); choice.has_value()) {
      allowed.push_back(*choice);
    }
  }
  return allowed;
}

template <typename T>
json::array NamesOf(const std::vector<T>& choices) {
  json::array names;
  for (const T choice : choices) names.emplace_back(NameOf(choice));
  return names;
}

}  // namespace

std::span<const DurationTerm> DurationTerms() {
  static const auto terms = [] {
    std::vector<DurationTerm> all;
    for (const DurationSetting& setting : DurationSettings()) {
      // How often one looks for a new version of a key keeps nothing open.
      const bool is_looser = setting.value != &CustodySettings::version_interval;
      all.push_back({setting.name, setting.value, setting.least, is_looser});
    }
    all.push_back({"open_grant", &CustodyTerms::open_grant, kLeastOpenGrant, true});
    return all;
  }();
  return terms;
}

Status CheckTerms(const CustodyTerms& terms) {
  for (const DurationTerm& term : DurationTerms()) {
    const Status possible = CheckDuration(terms.*term.value, term.least);
    if (!possible.ok()) return possible.error().Because(term.name);
  }
  return {};
}

CustodyTerms Tighter(const CustodyTerms& a, const CustodyTerms& b) {
  CustodyTerms tighter = a;
  for (const DurationTerm& term : DurationTerms()) {
    if (term.longer_is_looser) tighter.*term.value = std::min(a.*term.value, b.*term.value);
  }
  if (b.on_denied == OnDenied::kSeal) tighter.on_denied = OnDenied::kSeal;
  if (b.on_key_return == OnKeyReturn::kManual) tighter.on_key_return = OnKeyReturn::kManual;
  return tighter;
}

CustodyTerms LoosestTerms() {
  CustodyTerms terms;
  for (const DurationTerm& term : DurationTerms()) terms.*term.value = kLongestSetting;
  terms.on_denied = OnDenied::kAlert;
  return terms;
}

CustodyTerms CustodyChange::AppliedTo(CustodyTerms terms) const {
  for (const DurationTerm& term : DurationTerms()) {
    const auto wanted = durations.find(term.name);
    if (wanted != durations.end()) terms.*term.value = wanted->second;
  }
  terms.on_denied = on_denied.value_or(terms.on_denied);
  terms.on_key_return = on_key_return.value_or(terms.on_key_return);
  return terms;
}

CustodyChange ReadCustodyChange(JsonReader& reader) {
  CustodyChange change;
  for (const DurationTerm& term : DurationTerms()) {
    const auto duration = ReadDuration(reader, term.name, term.least);
    if (duration.has_value()) change.durations[term.name] = *duration;
  }
  if (const std::string text = reader.Text("on_denied"); reader.Has("on_denied")) {
    change.on_denied = Choice<OnDenied>(reader, "on_denied", text, OnDeniedFromName);
  }
  if (const std::string text = reader.Text("on_key_return"); reader.Has("on_key_return")) {
    change.on_key_return = Choice<OnKeyReturn>(reader, "on_key_return", text, OnKeyReturnFromName);
  }
  return change;
}

CustodyBounds ReadCustodyBounds(JsonReader& reader) {
  CustodyBounds bounds;
  for (const DurationTerm& term : DurationTerms()) {
    reader.Object(term.name, [&](JsonReader& range) {
      DurationBounds read{ReadDuration(range, "lowest", Duration(0)),
                          ReadDuration(range, "highest", Duration(0))};
      if (read.highest.has_value() && *read.highest < read.lowest.value_or(term.least)) {
        range.Refuse("highest", "leaves no value that is allowed");
      }
      bounds.durations[term.name] = read;
    });
  }
  bounds.on_denied = ReadAllowed<OnDenied>(reader, "on_denied", OnDeniedFromName);
  bounds.on_key_return = ReadAllowed<OnKeyReturn>(reader, "on_key_return", OnKeyReturnFromName);
  return bounds;
}

json::object ToJson(const CustodyTerms& terms) {
  json::object object;
  for (const DurationTerm& term : DurationTerms()) {
    object[term.name] = FormatSetting(terms.*term.value);
  }
  object["on_denied"] = NameOf(terms.on_denied);
  object["on_key_return"] = NameOf(terms.on_key_return);
  return object;
}

json::object ToJson(const CustodyBounds& bounds) {
  json::object object;
  for (const auto& [name, range] : bounds.durations) {
    json::object shown;
    if (range.lowest.has_value()) shown["lowest"] = FormatSetting(*range.lowest);
    if (range.highest.has_value()) shown["highest"] = FormatSetting(*range.highest);
    if (!shown.empty()) object[name] = std::move(shown);
  }
  if (!bounds.on_denied.empty()) object["on_denied"] = NamesOf(bounds.on_denied);
  if (!bounds.on_key_return.empty()) object["on_key_return"] = NamesOf(bounds.on_key_return);
  return object;
}

}  // namespace freehold::api
