#include "kms/embedded/google/operation.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>

#include "base/log.h"
#include "fmt/format.h"
#include "kms/embedded/google/policy.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

std::string Decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      int value = 0;
      const auto [end, error] = std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16);
      if (error == std::errc() && end == &text[i + 1] + 2) {
        decoded.push_back(static_cast<char>(value));
        i += 2;
        continue;
      }
    }
    decoded.push_back(text[i]);
  }
  return decoded;
}

std::map<std::string, std::string> ParseQuery(std::string_view query) {
  std::map<std::string, std::string> fields;
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), field.size() + 1));
    const auto equals = field.find('=');
    const std::string_view value = equals == std::string_view::npos ? "" : field.substr(equals + 1);
    fields[Decoded(field.substr(0, equals))] = Decoded(value);
  }
  return fields;
}

// "rotationPeriod" and "rotation_period" are the same field.
std::string FieldName(std::string_view text) {
  std::string name;
  for (const char c : text) {
    if (c != '_') name.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return name;
}

}  // namespace

std::string Target::Parent() const {
  const auto slash = resource.rfind('/');
  return slash == std::string::npos ? "" : resource.substr(0, slash);
}

Target ParseTarget(std::string_view text) {
  Target target;
  const auto question = text.find('?');
  if (question != std::string_view::npos) target.query = ParseQuery(text.substr(question + 1));
  std::string path = Decoded(text.substr(0, question));
  if (path.starts_with("/v1/")) path.erase(0, 4);
  const auto colon = path.find(':', path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  if (colon != std::string::npos) {
    target.verb = path.substr(colon + 1);
    path.erase(colon);
  }
  target.resource = path;
  bool is_id = false;
  for (std::string_view rest = path;;) {
    const auto slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (!target.pattern.empty()) target.pattern += '/';
    target.pattern += is_id && !part.empty() ? "*" : part;
    is_id = !is_id;
    if (slash == std::string_view::npos) return target;
    rest.remove_prefix(slash + 1);
  }
}

GoogleStatus Operation::Authorize(const std::string& permission,
                                  const std::string& on_resource) const {
  if (Allows(*state, call.caller, permission, on_resource)) return {};
  return PermissionDenied(permission, on_resource);
}

GoogleStatus Operation::Update(const std::function<GoogleStatus(State&)>& change) {
  const auto updated = store.Update<GoogleStatus>(change, [](const Error& error) -> GoogleStatus {
    LogError("kms", error.message());
    return Internal();
  });
  if (updated.ok()) state = store.Read();
  return updated;
}

std::string TextIn(const json::object& object, std::string_view name) {
  return TextOf(object, name);
}

const json::object& ObjectIn(const json::object& object, std::string_view name) {
  return ObjectOf(object, name);
}

GoogleResult<Bytes> BytesIn(const json::object& object, std::string_view name) {
  // Either alphabet, padded or not: gcloud writes the one for URLs.
  std::string text = TextOf(object, name);
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  auto bytes = Base64UrlDecode(text);
  if (!bytes.ok()) {
    return InvalidArgument(
        fmt::format("Invalid value at '{}' (TYPE_BYTES), Base64 decoding failed", name));
  }
  return *std::move(bytes);
}

GoogleResult<std::string> EnumIn(const json::object& object, std::string_view name,
                                 const std::vector<std::string_view>& names_by_number) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return std::string();
  if (value->is_int64()) {
    const std::int64_t number = value->get_int64();
    if (number == 0) return std::string();
    if (number > 0 && number < static_cast<std::int64_t>(names_by_number.size())) {
      return std::string(names_by_number[static_cast<std::size_t>(number)]);
    }
  }
  if (value->is_string()) {
    const std::string text(value->get_string());
    if (std::find(names_by_number.begin(), names_by_number.end(), text) != names_by_number.end()) {
      return text;
    }
  }
  return InvalidArgument(fmt::format("Invalid value at '{}' (TYPE_ENUM)", name));
}

GoogleResult<std::int64_t> SecondsIn(const json::object& object, std::string_view name) {
  const std::string text = TextOf(object, name);
  if (text.empty()) return 0;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || *end != 's' || seconds < 0 || seconds > 100LL * 365 * 86400) {
    return InvalidArgument(
        fmt::format("Invalid value at '{}' (type.googleapis.com/Duration)", name));
  }
  return seconds;
}

GoogleResult<std::optional<WallTime>> TimeIn(const json::object& object, std::string_view name) {
  const std::string text = TextOf(object, name);
  if (text.empty()) return std::optional<WallTime>();
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  // What comes after the year 2262 is beyond our clock; a century of rotation is added to this.
  const bool is_near = parts.tm_year >= 70 && parts.tm_year <= 250;
  if (rest == nullptr || !text.ends_with('Z') || !is_near) {
    return InvalidArgument(
        fmt::format("Invalid value at '{}' (type.googleapis.com/Timestamp)", name));
  }
  return std::optional<WallTime>(WallTime{std::chrono::seconds(timegm(&parts))});
}

bool MaskNames(const Target& target, std::string_view camel_case_field) {
  const auto mask = target.query.find("updateMask");
  if (mask == target.query.end()) return false;
  std::string_view rest = mask->second;
  while (!rest.empty()) {
    const std::string_view field = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    if (FieldName(field) == FieldName(camel_case_field)) return true;
  }
  return false;
}

bool IsResourceId(std::string_view id) {
  return !id.empty() && id.size() <= 63 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-');
  });
}

}  // namespace freehold::embedded::google
