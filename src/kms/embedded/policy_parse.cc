// Policy::Parse: from JSON to statements, refusing everything that evaluation would not honour.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>

#include "fmt/format.h"
#include "kms/embedded/policy.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxPolicySize = 32 * 1024;
constexpr std::array kTests = {
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringLike", "StringNotLike",
    "ArnEquals",    "ArnLike",         "ArnNotEquals",           "ArnNotLike", "Bool",
    "Null"};
// kms:grantisforawsresource is known and never present: grants are not offered here.
constexpr std::array kConditionKeys = {"kms:calleraccount",         "kms:viaservice",
                                       "kms:encryptioncontextkeys", "sts:externalid",
                                       "sts:rolesessionname",       "aws:principalarn",
                                       "aws:principalaccount",      "kms:grantisforawsresource"};
constexpr std::string_view kContextPrefix = "kms:encryptioncontext:";

Error Malformed(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// A string, or a list of strings, at least one.
Result<std::vector<std::string>> Strings(const json::value& value, std::string_view what) {
  std::vector<std::string> strings;
  if (const json::string* text = value.if_string()) {
    strings.emplace_back(*text);
  } else if (const json::array* list = value.if_array()) {
    for (const json::value& item : *list) {
      if (!item.is_string()) return Malformed(fmt::format("{} must hold only strings", what));
      strings.emplace_back(item.get_string());
    }
  }
  if (strings.empty()) {
    return Malformed(fmt::format("{} must be a string or a list of strings, not empty", what));
  }
  return strings;
}

bool IsAccountId(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(),
                                          [](unsigned char c) { return std::isdigit(c) != 0; });
}

// arn:PARTITION:iam|sts::ACCOUNT:root|user/..|role/..|assumed-role/..
bool IsPrincipalArn(std::string_view arn) {
  if (!arn.starts_with("arn:aws")) return false;
  for (const std::string_view service : {":iam::", ":sts::"}) {
    const auto at = arn.find(service);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = arn.substr(at + service.size());
    if (rest.size() < 14 || !IsAccountId(rest.substr(0, 12)) || rest[12] != ':') return false;
    const std::string_view name = rest.substr(13);
    if (name.find_first_of("*?") != std::string_view::npos) return false;
    return name == "root" || name.starts_with("user/") || name.starts_with("role/") ||
           name.starts_with("assumed-role/") || name.starts_with("federated-user/");
  }
  return false;
}

Result<std::vector<std::string>> ParsePrincipals(const json::value& value, PolicyKind kind) {
  if (value.is_string() && value.get_string() == "*") return std::vector<std::string>{"*"};
  const json::object* forms = value.if_object();
  if (forms == nullptr || forms->empty()) {
    return Malformed("Principal must be \"*\" or an object such as {\"AWS\": ARN}");
  }
  std::vector<std::string> principals;
  for (const auto& [form, names] : *forms) {
    const auto strings = TRY(Strings(names, "Principal"));
    // Services and identity providers never call this KMS: such a statement matches nobody.
    if (form == "Service" || (form == "Federated" && kind == PolicyKind::kTrust)) continue;
    if (form != "AWS") {
      return Malformed(fmt::format("Principal form '{}' is not offered", std::string_view(form)));
    }
    for (const std::string& name : strings) {
      if (name != "*" && !IsAccountId(name) && !IsPrincipalArn(name)) {
        return Malformed(fmt::format(
            "Policy contains a statement with one or more invalid principals: '{}'", name));
      }
      principals.push_back(name);
    }
  }
  return principals;
}

Result<std::vector<std::string>> ParseActions(const json::value& value) {
  auto actions = TRY(Strings(value, "Action"));
  for (const std::string& action : actions) {
    const auto colon = action.find(':');
    if (action != "*" && (colon == std::string::npos || colon == 0 || colon + 1 == action.size())) {
      return Malformed(fmt::format("Action '{}' is not of the form service:Operation", action));
    }
  }
  return actions;
}

Result<Policy::Condition> ParseTest(std::string_view test) {
  Policy::Condition condition;
  using Set = Policy::Condition::Set;
  constexpr std::string_view kAll = "ForAllValues:", kAny = "ForAnyValue:", kExists = "IfExists";
  std::string_view name = test;
  if (name.starts_with(kAll)) {
    condition.set = Set::kForAllValues;
    name.remove_prefix(kAll.size());
  } else if (name.starts_with(kAny)) {
    condition.set = Set::kForAnyValue;
    name.remove_prefix(kAny.size());
  }
  if (name.ends_with(kExists)) {
    condition.if_exists = true;
    name.remove_suffix(kExists.size());
  }
  if (std::find(kTests.begin(), kTests.end(), name) == kTests.end() ||
      (name == "Null" && condition.if_exists)) {
    return Malformed(fmt::format("Condition operator '{}' is not offered", test));
  }
  condition.test = name;
  return condition;
}

Result<std::vector<std::string>> ParseConditionValues(const json::value& value,
                                                      std::string_view key) {
  if (const bool* flag = value.if_bool()) return std::vector<std::string>{*flag ? "true" : "false"};
  return Strings(value, fmt::format("Condition on '{}'", key));
}

Status ParseConditions(const json::value& value, std::vector<Policy::Condition>& into) {
  const json::object* tests = value.if_object();
  if (tests == nullptr) return Malformed("Condition must be an object");
  for (const auto& [test, keys] : *tests) {
    const json::object* pairs = keys.if_object();
    if (pairs == nullptr) return Malformed("Condition operators must hold objects");
    for (const auto& [key, values] : *pairs) {
      Policy::Condition condition = TRY(ParseTest(test));
      condition.key = CanonicalConditionKey(key);
      const bool is_context =
          condition.key.starts_with(kContextPrefix) && condition.key.size() > kContextPrefix.size();
      if (!is_context && std::find(kConditionKeys.begin(), kConditionKeys.end(), condition.key) ==
                             kConditionKeys.end()) {
        return Malformed(fmt::format("Condition key '{}' is not offered", std::string_view(key)));
      }
      if (condition.key == "kms:encryptioncontextkeys" && condition.test != "Null" &&
          condition.set == Policy::Condition::Set::kSingle) {
        return Malformed(
            "kms:EncryptionContextKeys has several values: put ForAllValues: or ForAnyValue: "
            "before the operator");
      }
      condition.values = TRY(ParseConditionValues(values, key));
      into.push_back(std::move(condition));
    }
  }
  return {};
}

Result<Policy::Statement> ParseStatement(const json::value& value, PolicyKind kind) {
  const json::object* fields = value.if_object();
  if (fields == nullptr) return Malformed("Statement must be an object");
  Policy::Statement statement;
  bool has_effect = false;
  for (const auto& [name, field] : *fields) {
    if (name == "Sid") {
      if (!field.is_string()) return Malformed("Sid must be a string");
    } else if (name == "Effect") {
      has_effect =
          field.is_string() && (field.get_string() == "Allow" || field.get_string() == "Deny");
      statement.allow = has_effect && field.get_string() == "Allow";
    } else if (name == "Principal" && kind != PolicyKind::kIdentity) {
      statement.principals = TRY(ParsePrincipals(field, kind));
    } else if (name == "Action") {
      statement.actions = TRY(ParseActions(field));
    } else if (name == "Resource" && kind != PolicyKind::kTrust) {
      statement.resources = TRY(Strings(field, "Resource"));
    } else if (name == "Condition") {
      TRY(ParseConditions(field, statement.conditions));
    } else {
      return Malformed(fmt::format("'{}' is not offered in this kind of policy's statements",
                                   std::string_view(name)));
    }
  }
  if (!has_effect) return Malformed("a statement's Effect must be Allow or Deny");
  if (statement.actions.empty()) return Malformed("a statement has no Action");
  if (kind != PolicyKind::kIdentity && !fields->contains("Principal")) {
    return Malformed("a statement has no Principal");
  }
  if (kind != PolicyKind::kTrust && statement.resources.empty()) {
    return Malformed("a statement has no Resource");
  }
  return statement;
}

}  // namespace

std::string CanonicalConditionKey(std::string_view key) {
  std::string lower = Lower(key);
  if (!lower.starts_with(kContextPrefix)) return lower;
  return std::string(kContextPrefix) + std::string(key.substr(kContextPrefix.size()));
}

Result<Policy> Policy::Parse(std::string_view text, PolicyKind kind) {
  if (text.size() > kMaxPolicySize) return Malformed("the policy is larger than 32 KiB");
  boost::system::error_code error;
  const json::value document = json::parse({text.data(), text.size()}, error);
  if (error) return Malformed("the policy is not JSON");
  const json::object* fields = document.if_object();
  if (fields == nullptr) return Malformed("the policy must be a JSON object");
  Policy policy;
  policy.kind_ = kind;
  for (const auto& [name, field] : *fields) {
    if (name == "Version") {
      if (field != "2012-10-17" && field != "2008-10-17") {
        return Malformed("Version must be 2012-10-17 or 2008-10-17");
      }
    } else if (name == "Id") {
      if (!field.is_string()) return Malformed("Id must be a string");
    } else if (name != "Statement") {
      return Malformed(fmt::format("'{}' is no element of a policy", std::string_view(name)));
    }
  }
  const json::value* statements = fields->if_contains("Statement");
  if (statements == nullptr) return Malformed("the policy has no Statement");
  if (const json::array* list = statements->if_array()) {
    for (const json::value& item : *list) {
      policy.statements_.push_back(TRY(ParseStatement(item, kind)));
    }
  } else {
    policy.statements_.push_back(TRY(ParseStatement(*statements, kind)));
  }
  if (policy.statements_.empty()) return Malformed("the policy has no statements");
  return policy;
}

}  // namespace freehold::embedded
