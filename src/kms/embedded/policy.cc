#include "kms/embedded/policy.h"

#include <algorithm>
#include <cctype>

namespace freehold::embedded {
namespace {

using Condition = Policy::Condition;
using Statement = Policy::Statement;

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

bool IsNegated(const Condition& condition) {
  return condition.test.find("Not") != std::string::npos;
}

// The positive form of the test: a negated one is "none of the policy's values matches".
bool ValueMatches(const Condition& condition, const std::string& wanted, const std::string& value) {
  if (condition.test == "StringEquals" || condition.test == "StringNotEquals") {
    return wanted == value;
  }
  if (condition.test == "StringEqualsIgnoreCase" || condition.test == "Bool") {
    return EqualIgnoringCase(wanted, value);
  }
  return GlobMatch(wanted, value);  // StringLike, and every Arn test
}

bool ValueSatisfies(const Condition& condition, const std::string& value) {
  const bool matches = std::any_of(
      condition.values.begin(), condition.values.end(),
      [&](const std::string& wanted) { return ValueMatches(condition, wanted, value); });
  return matches != IsNegated(condition);
}

bool Satisfied(const Condition& condition, const ConditionContext& context) {
  const auto found = context.find(condition.key);
  const bool present = found != context.end() && !found->second.empty();
  if (condition.test == "Null") {
    return EqualIgnoringCase(condition.values.front(), present ? "false" : "true");
  }
  if (!present) {
    // IAM: an absent key satisfies IfExists, ForAllValues and negated tests, and no others.
    if (condition.set == Condition::Set::kForAnyValue) return condition.if_exists;
    return condition.if_exists || condition.set == Condition::Set::kForAllValues ||
           IsNegated(condition);
  }
  const auto satisfies = [&](const std::string& value) { return ValueSatisfies(condition, value); };
  const std::vector<std::string>& values = found->second;
  if (condition.set == Condition::Set::kForAllValues) {
    return std::all_of(values.begin(), values.end(), satisfies);
  }
  return std::any_of(values.begin(), values.end(), satisfies);
}

bool Applies(const Statement& statement, const PolicyRequest& request, PolicyKind kind) {
  const std::string action = Lower(request.action);
  const bool for_action =
      std::any_of(statement.actions.begin(), statement.actions.end(),
                  [&](const std::string& pattern) { return GlobMatch(Lower(pattern), action); });
  if (!for_action) return false;
  if (kind != PolicyKind::kTrust &&
      std::none_of(
          statement.resources.begin(), statement.resources.end(),
          [&](const std::string& pattern) { return GlobMatch(pattern, request.resource); })) {
    return false;
  }
  return std::all_of(
      statement.conditions.begin(), statement.conditions.end(),
      [&](const Condition& condition) { return Satisfied(condition, request.conditions); });
}

enum class Naming { kNot, kAccount, kCaller };

Naming NamingOf(const std::string& principal, const Principal& caller) {
  if (principal == "*" || principal == caller.Arn() || principal == caller.PolicyArn()) {
    return Naming::kCaller;
  }
  if (principal == caller.account || principal == Principal::RootArn(caller.account)) {
    return caller.kind == Principal::Kind::kRoot ? Naming::kCaller : Naming::kAccount;
  }
  return Naming::kNot;
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

PolicyVerdict Policy::Evaluate(const PolicyRequest& request) const {
  PolicyVerdict verdict;
  for (const Statement& statement : statements_) {
    if (!Applies(statement, request, kind_)) continue;
    Naming naming = kind_ == PolicyKind::kIdentity ? Naming::kCaller : Naming::kNot;
    for (const std::string& principal : statement.principals) {
      naming = std::max(naming, NamingOf(principal, request.caller));
    }
    if (naming == Naming::kNot) continue;
    if (!statement.allow) {
      verdict.denied = true;
    } else if (naming == Naming::kCaller) {
      verdict.allowed = true;
    } else {
      verdict.delegated = true;
    }
  }
  return verdict;
}

std::vector<std::string> Policy::NamedPrincipals() const {
  std::vector<std::string> named;
  for (const Statement& statement : statements_) {
    for (const std::string& principal : statement.principals) {
      if (principal.starts_with("arn:") && !principal.ends_with(":root"))
        named.push_back(principal);
    }
  }
  return named;
}

}  // namespace freehold::embedded
