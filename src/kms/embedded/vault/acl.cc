#include "kms/embedded/vault/acl.h"

#include <algorithm>
#include <cctype>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::embedded::vault {
namespace {

constexpr std::string_view kCapabilities[] = {"create", "read", "update", "patch",
                                              "delete", "list", "sudo",   "deny"};

// Tokens of HCL: punctuation and words as they are, strings with a '"' before them.
Result<std::vector<std::string>> Tokens(std::string_view text) {
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++i;
    } else if (c == '#' || text.substr(i, 2) == "//") {
      i = std::min(text.find('\n', i), text.size());
    } else if (c == '"') {
      const auto end = text.find('"', i + 1);
      if (end == std::string_view::npos || text.substr(i, end - i).find('\\') != text.npos) {
        return Error(ErrorCode::kInvalidArgument, "a string without an end, or with a '\\'");
      }
      tokens.emplace_back(text.substr(i, end - i));
      i = end + 1;
    } else if (std::string_view("{}[]=,").find(c) != std::string_view::npos) {
      tokens.emplace_back(1, c);
      ++i;
    } else {
      std::size_t end = i;
      while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                                   text[end] == '_' || text[end] == '*')) {
        ++end;
      }
      if (end == i) return Error(ErrorCode::kInvalidArgument, "a character out of place");
      tokens.emplace_back(text.substr(i, end - i));
      i = end;
    }
  }
  return tokens;
}

class AclParser {
 public:
  explicit AclParser(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}

  Result<std::vector<AclRule>> Parse() {
    std::vector<AclRule> rules;
    while (at_ < tokens_.size()) {
      TRY(Expect("path"));
      AclRule rule;
      rule.path = TRY(Text());
      TRY(Expect("{"));
      while (!Skip("}")) TRY(ParseAttribute(rule));
      rules.push_back(std::move(rule));
    }
    return rules;
  }

 private:
  Status ParseAttribute(AclRule& rule) {
    const std::string name = Next();
    TRY(Expect("="));
    if (name == "capabilities") {
      for (const std::string& capability : TRY(List())) {
        if (std::find(std::begin(kCapabilities), std::end(kCapabilities), capability) ==
            std::end(kCapabilities)) {
          return Error(ErrorCode::kInvalidArgument,
                       fmt::format("path \"{}\": invalid capability '{}'", rule.path, capability));
        }
        rule.capabilities.insert(capability);
      }
      return {};
    }
    if (name == "allowed_parameters") {
      TRY(Expect("{"));
      while (!Skip("}")) {
        const std::string parameter = TRY(Text());
        TRY(Expect("="));
        rule.allowed_parameters[parameter] = TRY(List());
        Skip(",");
      }
      return {};
    }
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not offered here", name));
  }

  std::string Next() { return at_ < tokens_.size() ? tokens_[at_++] : ""; }
  bool Skip(std::string_view token) {
    if (at_ >= tokens_.size() || tokens_[at_] != token) return false;
    ++at_;
    return true;
  }
  Status Expect(std::string_view token) {
    if (Skip(token)) return {};
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is missing", token));
  }
  Result<std::string> Text() {
    const std::string token = Next();
    if (token.starts_with('"')) return token.substr(1);
    return Error(ErrorCode::kInvalidArgument, "a string is missing");
  }
  Result<std::vector<std::string>> List() {
    std::vector<std::string> list;
    TRY(Expect("["));
    while (!Skip("]")) {
      list.push_back(TRY(Text()));
      Skip(",");
    }
    return list;
  }

  std::vector<std::string> tokens_;
  std::size_t at_ = 0;
};

bool Fits(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern == "*") return true;
    if (pattern.front() == '+' && (pattern.size() == 1 || pattern[1] == '/')) {
      if (path.empty() || path.front() == '/') return false;
      path.remove_prefix(std::min(path.find('/'), path.size()));
      pattern.remove_prefix(1);
      continue;
    }
    if (path.empty() || pattern.front() != path.front()) return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
  }
  return path.empty();
}

// Vault's order: no wildcard before any, then the one whose first wildcard comes last, then the
// longest.
bool IsBetter(const AclRule& rule, const AclRule* than) {
  if (than == nullptr) return true;
  const auto rank = [](const std::string& path) {
    return std::pair(std::min(path.find_first_of("+*"), std::string::npos), path.size());
  };
  return rank(rule.path) > rank(than->path);
}

bool AllowsParameters(const AclRule& rule, const boost::json::object& parameters) {
  if (rule.allowed_parameters.empty()) return true;
  for (const auto& [name, value] : parameters) {
    auto allowed = rule.allowed_parameters.find(std::string(name));
    if (allowed == rule.allowed_parameters.end()) allowed = rule.allowed_parameters.find("*");
    if (allowed == rule.allowed_parameters.end()) return false;
    const auto& values = allowed->second;
    if (values.empty()) continue;
    if (!value.is_string() ||
        std::find(values.begin(), values.end(), std::string(value.get_string())) == values.end()) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<std::vector<AclRule>> ParseAcl(std::string_view text) {
  return AclParser(TRY(Tokens(text))).Parse();
}

bool Allows(const std::vector<AclRule>& rules, std::string_view path, std::string_view capability,
            const boost::json::object& parameters) {
  const AclRule* best = nullptr;
  for (const AclRule& rule : rules) {
    if (Fits(rule.path, path) && IsBetter(rule, best)) best = &rule;
  }
  return best != nullptr && !best->capabilities.contains("deny") &&
         best->capabilities.contains(std::string(capability)) &&
         AllowsParameters(*best, parameters);
}

}  // namespace freehold::embedded::vault
