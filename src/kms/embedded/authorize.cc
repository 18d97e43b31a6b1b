#include "kms/embedded/authorize.h"

#include <algorithm>

namespace freehold::embedded {
namespace {

const Names* InlinePolicies(const State& state, const Principal& caller) {
  const AccountAndName name(caller.account, caller.name);
  if (caller.kind == Principal::Kind::kUser) {
    const auto user = state.users.find(name);
    return user == state.users.end() ? nullptr : &user->second.policies;
  }
  const auto role = state.roles.find(name);
  return role == state.roles.end() ? nullptr : &role->second.policies;
}

PolicyVerdict IdentityVerdict(const State& state, const PolicyRequest& request) {
  PolicyVerdict verdict;
  if (request.caller.kind == Principal::Kind::kRoot) {
    verdict.allowed = true;
    return verdict;
  }
  const Names* policies = InlinePolicies(state, request.caller);
  if (policies == nullptr) return verdict;
  for (const auto& [name, text] : *policies) {
    const auto policy = Policy::Parse(text, PolicyKind::kIdentity);
    if (!policy.ok()) continue;  // was checked when it was stored
    const PolicyVerdict one = policy->Evaluate(request);
    verdict.denied |= one.denied;
    verdict.allowed |= one.allowed;
  }
  return verdict;
}

AwsFailure Denied(const PolicyRequest& request, std::string_view why) {
  return {"AccessDeniedException",
          fmt::format("User: {} is not authorized to perform: {} on resource: {} {}",
                      request.caller.Arn(), request.action, request.resource, why)};
}

std::string BecauseNo(std::string_view kind, const PolicyRequest& request) {
  return fmt::format("because no {} policy allows the {} action", kind, request.action);
}

AwsStatus Decide(const PolicyVerdict& resource, const PolicyVerdict& identity,
                 const std::string& resource_account, const PolicyRequest& request) {
  if (resource.denied) return Denied(request, "with an explicit deny in a resource-based policy");
  if (identity.denied) return Denied(request, "with an explicit deny in an identity-based policy");
  if (!resource.allowed && !resource.delegated) {
    return Denied(request, BecauseNo("resource-based", request));
  }
  const bool same_account = request.caller.account == resource_account;
  if (!(same_account && resource.allowed) && !identity.allowed) {
    return Denied(request, BecauseNo("identity-based", request));
  }
  return {};
}

PolicyRequest RequestOf(const Call& call, std::string action, std::string resource) {
  PolicyRequest request{call.caller, std::move(action), std::move(resource), {}};
  request.conditions["aws:principalarn"] = {call.caller.PolicyArn()};
  request.conditions["aws:principalaccount"] = {call.caller.account};
  return request;
}

PolicyRequest KeyRequest(const Call& call, std::string_view action, const Key& key,
                         const Context& context) {
  PolicyRequest request = RequestOf(call, fmt::format("kms:{}", action), key.Arn());
  request.conditions["kms:calleraccount"] = {call.caller.account};
  for (const auto& [name, value] : context) {
    request.conditions["kms:encryptioncontext:" + name] = {value};
    request.conditions["kms:encryptioncontextkeys"].push_back(name);
  }
  return request;
}

// Principals of accounts that live elsewhere cannot be checked and are believed.
AwsStatus CheckPrincipals(const State& state, const Policy& policy, const char* code) {
  for (const std::string& arn : policy.NamedPrincipals()) {
    const std::string account = arn.substr(arn.find("::") + 2, 12);
    if (!state.accounts.contains(account)) continue;
    const std::string rest = arn.substr(arn.find("::") + 15);
    const auto slash = rest.find('/');
    const std::string kind = rest.substr(0, slash), path = rest.substr(slash + 1);
    const bool exists = kind == "user" ? state.users.contains({account, path})
                        : kind == "role"
                            ? state.roles.contains({account, path})
                            : state.roles.contains({account, path.substr(0, path.find('/'))});
    if (!exists) {
      return AwsFailure{
          code, fmt::format("Policy contains a statement with one or more invalid principals: "
                            "{} does not exist.",
                            arn)};
    }
  }
  return {};
}

bool Holds(const Names& wanted, const Context& context) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
    const auto found = context.find(pair.first);
    return found != context.end() && found->second == pair.second;
  });
}

bool Grants(const Grant& grant, const Call& call, std::string_view action, const Key& key,
            const Context& context) {
  const std::string caller = call.caller.PolicyArn();
  if (!grant.IsOf(key) ||
      (grant.grantee != caller && grant.grantee != Principal::RootArn(call.caller.account))) {
    return false;
  }
  if (std::find(grant.operations.begin(), grant.operations.end(), action) ==
      grant.operations.end()) {
    return false;
  }
  const bool equal = grant.context_equals.empty() || grant.context_equals == context;
  return equal && Holds(grant.context_subset, context);
}

}  // namespace

AwsStatus AuthorizeKey(const State& state, const Call& call, std::string_view action,
                       const Key& key, const Context& context) {
  const PolicyRequest request = KeyRequest(call, action, key, context);
  const auto policy = Policy::Parse(key.policy, PolicyKind::kKey);
  if (!policy.ok()) return Denied(request, "because the key's policy cannot be read");
  const PolicyVerdict resource = policy->Evaluate(request);
  const PolicyVerdict identity = IdentityVerdict(state, request);
  // A grant allows what no policy denies.
  if (!resource.denied && !identity.denied) {
    for (const auto& [id, grant] : state.grants) {
      if (Grants(grant, call, action, key, context)) return {};
    }
  }
  return Decide(resource, identity, key.account, request);
}

AwsStatus AuthorizeIdentity(const State& state, const Call& call, std::string_view action,
                            std::string_view resource) {
  const PolicyRequest request = RequestOf(call, std::string(action), std::string(resource));
  const PolicyVerdict identity = IdentityVerdict(state, request);
  if (identity.denied) return Denied(request, "with an explicit deny in an identity-based policy");
  if (!identity.allowed) return Denied(request, BecauseNo("identity-based", request));
  return {};
}

AwsStatus AuthorizeAssumeRole(const State& state, const Call& call, const Role& role,
                              const Assumption& assumption) {
  PolicyRequest request =
      RequestOf(call, "sts:AssumeRole", Principal::RoleArn(role.account, role.name));
  request.conditions["sts:rolesessionname"] = {assumption.session_name};
  if (!assumption.external_id.empty()) {
    request.conditions["sts:externalid"] = {assumption.external_id};
  }
  const auto trust = Policy::Parse(role.trust_policy, PolicyKind::kTrust);
  if (!trust.ok()) return Denied(request, "because the role's trust policy cannot be read");
  const PolicyVerdict trusted = trust->Evaluate(request);
  const auto decided = Decide(trusted, IdentityVerdict(state, request), role.account, request);
  if (decided.ok()) return {};
  // AWS does not say which half of the trust was missing: no hint for guessing external ids.
  if (!trusted.allowed && !trusted.delegated) {
    return AwsFailure{"AccessDeniedException",
                      fmt::format("User: {} is not authorized to perform: {} on resource: {}",
                                  call.caller.Arn(), request.action, request.resource)};
  }
  return decided;
}

AwsStatus CheckKeyPolicy(const State& state, const Call& call, const Key& key,
                         std::string_view policy, bool bypass) {
  constexpr const char* kCode = "MalformedPolicyDocumentException";
  const auto parsed = Policy::Parse(policy, PolicyKind::kKey);
  if (!parsed.ok()) return AwsFailure{kCode, parsed.error().message()};
  AWS_TRY(CheckPrincipals(state, *parsed, kCode));
  if (bypass) return {};
  const PolicyRequest request = KeyRequest(call, "PutKeyPolicy", key, {});
  if (!Decide(parsed->Evaluate(request), IdentityVerdict(state, request), key.account, request)
           .ok()) {
    return AwsFailure{kCode,
                      "The new key policy will not allow you to update the key policy in the "
                      "future."};
  }
  return {};
}

AwsStatus CheckTrustPolicy(const State& state, std::string_view policy) {
  const auto parsed = Policy::Parse(policy, PolicyKind::kTrust);
  if (!parsed.ok()) return AwsFailure{"MalformedPolicyDocument", parsed.error().message()};
  return CheckPrincipals(state, *parsed, "MalformedPolicyDocument");
}

}  // namespace freehold::embedded
