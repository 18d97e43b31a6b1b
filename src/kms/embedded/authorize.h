// Authorize: may this caller do this? Resource policy and identity policies put together.
//
// As AWS does it: an explicit Deny anywhere wins. Within an account the resource's policy decides;
// where it names the account, the caller's own policies do. Across accounts both must allow.
// An account's root credentials have every identity permission of that account.
// Pure. Threads: safe. Errors: AccessDeniedException in AWS's words.
// Spec: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Allowing users in other
// accounts to use a KMS key".
#pragma once

#include <string>
#include <string_view>

#include "kms/embedded/aws_failure.h"
#include "kms/embedded/blob.h"
#include "kms/embedded/call.h"
#include "kms/embedded/policy.h"
#include "kms/embedded/state.h"

namespace freehold::embedded {

// `action` without "kms:".
AwsStatus AuthorizeKey(const State& state, const Call& call, std::string_view action,
                       const Key& key, const Context& context = {});

// Operations without a resource policy: "kms:CreateKey" on "*", "iam:CreateRole" on a role's ARN.
AwsStatus AuthorizeIdentity(const State& state, const Call& call, std::string_view action,
                            std::string_view resource);

struct Assumption {
  std::string session_name;
  std::string external_id;  // "" = none given
};
AwsStatus AuthorizeAssumeRole(const State& state, const Call& call, const Role& role,
                              const Assumption& assumption);

// A key policy that is well-formed, names only principals that exist (where their account lives
// here) and, unless `bypass`, leaves the caller able to change it again.
AwsStatus CheckKeyPolicy(const State& state, const Call& call, const Key& key,
                         std::string_view policy, bool bypass);

// The same for a role's trust policy; "MalformedPolicyDocument" as IAM says it.
AwsStatus CheckTrustPolicy(const State& state, std::string_view policy);

}  // namespace freehold::embedded
