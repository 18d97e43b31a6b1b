// Policy: one JSON policy document, parsed strictly and evaluated without side effects.
//
// Three kinds: a key's policy, a role's trust policy, an identity's policy. Whatever is not
// understood (an operator, a condition key, NotAction) makes the document invalid: a policy that
// is half-obeyed is worse than one that is refused. Knows no store: who exists, and how verdicts
// of two policies are put together, is authorize.h's business.
// Errors: kInvalidArgument with a sentence, for MalformedPolicyDocument. Threads: values.
// Spec: IAM User Guide, "IAM JSON policy elements"; KMS Developer Guide, "Key policies" and
// "Condition keys".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kms/embedded/principal.h"

namespace freehold::embedded {

enum class PolicyKind { kKey, kTrust, kIdentity };

// Condition keys and their values. Names in lower case, but for what follows
// "kms:encryptioncontext:", which keeps its case. An absent key is not an empty one.
using ConditionContext = std::map<std::string, std::vector<std::string>>;

// "kms:CallerAccount" -> "kms:calleraccount"; an encryption context key keeps its case.
std::string CanonicalConditionKey(std::string_view key);

struct PolicyRequest {
  Principal caller;
  std::string action;    // "kms:Decrypt"
  std::string resource;  // ARN
  ConditionContext conditions;
};

// What the statements that apply to a request say together.
struct PolicyVerdict {
  bool denied = false;     // an explicit Deny
  bool allowed = false;    // an Allow that names the caller (or everybody)
  bool delegated = false;  // an Allow that names the caller's account: IAM decides
};

class Policy {
 public:
  static Result<Policy> Parse(std::string_view text, PolicyKind kind);

  PolicyVerdict Evaluate(const PolicyRequest& request) const;
  // Every user and role ARN that a statement names, for checking that they exist.
  std::vector<std::string> NamedPrincipals() const;

  struct Condition {
    enum class Set { kSingle, kForAllValues, kForAnyValue };
    Set set = Set::kSingle;
    std::string test;  // "StringEquals", without set prefix and IfExists
    bool if_exists = false;
    std::string key;  // canonical
    std::vector<std::string> values;
  };
  struct Statement {
    bool allow = false;
    std::vector<std::string> principals;  // "*", ARNs, account ids
    std::vector<std::string> actions;
    std::vector<std::string> resources;
    std::vector<Condition> conditions;
  };

 private:
  PolicyKind kind_ = PolicyKind::kKey;
  std::vector<Statement> statements_;
};

// '*' and '?' as policies use them.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace freehold::embedded
