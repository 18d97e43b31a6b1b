// A cluster's custody terms, and the operator's bounds for them.
#include "cli/control/commands.h"
#include "cli/control/custody_bounds.h"
#include "cli/control/names.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

// "10s to 5m", "seal"; "" where all is allowed.
std::string AllowedText(const json::value& bound) {
  if (bound.is_object()) {
    const std::string lowest = FieldOf(bound.as_object(), "lowest");
    const std::string highest = FieldOf(bound.as_object(), "highest");
    if (highest.empty()) return lowest + " and more";
    return lowest.empty() ? "at most " + highest : fmt::format("{} to {}", lowest, highest);
  }
  std::string names;
  for (const json::value& name : bound.as_array()) {
    names += (names.empty() ? "" : ", ") + std::string(name.as_string());
  }
  return names;
}

// "yes", or what is different on the node.
std::string AppliedText(const json::object& wanted, bool told, const json::object& node) {
  const json::object& settings = ObjectOf(node, "settings");
  if (settings.empty()) return "not heard";
  std::string other;
  for (const auto& setting : settings) {
    const std::string value = FieldOf(settings, setting.key());
    if (value == FieldOf(wanted, setting.key())) continue;
    other += fmt::format("{}{} {}", other.empty() ? "" : ", ", std::string(setting.key()), value);
  }
  if (other.empty()) return "yes";
  return (told ? "not yet: " : "its own: ") + other;
}

void PrintCustodyTerms(const json::object& answer) {
  const json::object& settings = ObjectOf(answer, "settings");
  const json::object& bounds = ObjectOf(answer, "bounds");
  const bool told = FieldOf(answer, "told") == "true";
  std::vector<Row> rows;
  for (const auto& setting : settings) {
    const json::value* bound = bounds.if_contains(setting.key());
    rows.push_back({std::string(setting.key()), FieldOf(settings, setting.key()),
                    bound == nullptr ? "" : AllowedText(*bound)});
  }
  PrintTable({"SETTING", "VALUE", "ALLOWED"}, rows);
  Print(told ? "" : "\nNobody has set any yet: nodes use what they were started with.");
  PrintFields({{"at worst", FieldOf(ObjectOf(answer, "worst_case"), "text")}});
  rows.clear();
  for (const json::value& item : ListOf(answer, "nodes")) {
    const json::object& node = item.as_object();
    const std::string denied = FieldOf(ObjectOf(node, "worst_case"), "denied");
    rows.push_back({FieldOf(node, "id"), FieldOf(node, "region"),
                    FieldOf(node, "connected") == "true" ? "yes" : "no",
                    AppliedText(settings, told, node),
                    ObjectOf(node, "worst_case").empty() ? ""
                    : denied.empty()                     ? "never"
                                                         : denied,
                    FieldOf(ObjectOf(node, "worst_case"), "unreachable")});
  }
  if (rows.empty()) return;
  Print("");
  PrintTable({"NODE", "REGION", "CONNECTED", "APPLIED", "SEALED AFTER A NO", "AFTER AN OUTAGE"},
             rows);
}

// The last of two would be sent, and the first lost.
Status CheckNew(std::string_view flag, const json::object& given, const std::string& name) {
  if (!given.contains(name)) return {};
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: '{}' is there twice", flag, name));
}

// "NAME=VALUE"
Result<std::pair<std::string, std::string>> Pair(const char* flag, const std::string& text) {
  const auto equals = text.find('=');
  if (equals != std::string::npos && equals != 0 && equals + 1 != text.size()) {
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: '{}' is not NAME=VALUE", flag, text));
}

}  // namespace

Result<json::object> CustodyBoundsOf(const std::vector<std::string>& texts) {
  json::object bounds;
  for (const std::string& text : texts) {
    if (text == "none" && texts.size() == 1) return bounds;
    const auto [name, value] = TRY(Pair("--custody", text));
    TRY(CheckNew("--custody", bounds, name));
    if (name == "on_denied" || name == "on_key_return") {
      json::array allowed;
      for (std::size_t start = 0; start <= value.size();) {
        const auto end = std::min(value.find(',', start), value.size());
        allowed.emplace_back(value.substr(start, end - start));
        start = end + 1;
      }
      bounds[name] = std::move(allowed);
      continue;
    }
    const auto dots = value.find("..");
    if (dots == std::string::npos) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--custody: '{}' is not NAME=LOWEST..HIGHEST", text));
    }
    json::object range;
    if (dots > 0) range["lowest"] = value.substr(0, dots);
    if (dots + 2 < value.size()) range["highest"] = value.substr(dots + 2);
    bounds[name] = std::move(range);
  }
  return bounds;
}

std::string CustodyBoundsText(const json::object& bounds) {
  std::string text;
  for (const auto& bound : bounds) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", std::string(bound.key()),
                        AllowedText(bound.value()));
  }
  return text;
}

Status CmekCustody(const CustodyTermsFlags& flags) {
  json::object change;
  for (const std::string& text : flags.set) {
    auto [name, value] = TRY(Pair("--set", text));
    TRY(CheckNew("--set", change, name));
    change[name] = std::move(value);
  }
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster)) + "/custody";
  const ApiAnswer answer =
      change.empty() ? TRY(api.Get(path)) : TRY(api.Send("PATCH", path, change));
  Show(answer, flags.common, PrintCustodyTerms);
  return {};
}

}  // namespace freehold::cli
