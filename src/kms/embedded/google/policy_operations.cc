// Policies of key rings, keys, import jobs, service accounts and projects.
#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/embedded/google/operations.h"
#include "kms/embedded/google/policy.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

// What guards a resource's policy: "cloudkms.cryptoKeys".
std::string KindOf(const std::string& pattern) {
  if (pattern.ends_with("cryptoKeys/*")) return "cloudkms.cryptoKeys";
  if (pattern.ends_with("keyRings/*")) return "cloudkms.keyRings";
  if (pattern.ends_with("importJobs/*")) return "cloudkms.importJobs";
  if (pattern.ends_with("serviceAccounts/*")) return "iam.serviceAccounts";
  return "resourcemanager.projects";
}

GoogleStatus MustExist(const State& state, const std::string& resource) {
  const std::string last = resource.substr(resource.rfind('/') + 1);
  if (state.keys.contains(resource) || state.key_rings.contains(resource) ||
      state.import_jobs.contains(resource) || state.accounts.contains(last) ||
      (resource.starts_with("projects/") && state.projects.contains(last))) {
    return {};
  }
  return NotFound(resource);
}

Policy PolicyOf(const State& state, const std::string& resource) {
  const auto policy = state.policies.find(resource);
  return policy == state.policies.end() ? Policy() : policy->second;
}

json::array ShowBindings(const Policy& policy) {
  json::array bindings;
  for (const auto& [role, members] : policy) {
    bindings.push_back(
        json::object{{"role", role}, {"members", json::array(members.begin(), members.end())}});
  }
  return bindings;
}

Bytes EtagOf(const Policy& policy) {
  const Digest256 digest = Sha256(AsBytes(json::serialize(ShowBindings(policy))));
  return ToBytes(ByteView(digest).first(8));
}

json::object ShowPolicy(const Policy& policy) {
  json::object shown{{"version", 1}, {"etag", Base64Encode(EtagOf(policy))}};
  if (!policy.empty()) shown["bindings"] = ShowBindings(policy);
  return shown;
}

GoogleStatus CheckMember(const State& state, const std::string& member) {
  constexpr std::string_view kAccount = "serviceAccount:";
  if (member.starts_with(kAccount)) {
    const std::string email = member.substr(kAccount.size());
    if (state.accounts.contains(email)) return {};
    return InvalidArgument(fmt::format("Service account {} does not exist.", email));
  }
  for (const std::string_view kind : {"user:", "group:", "domain:"}) {
    if (member.starts_with(kind)) return {};
  }
  return InvalidArgument(fmt::format("Invalid member '{}'.", member));
}

GoogleResult<Policy> PolicyIn(const State& state, const json::object& body) {
  Policy policy;
  const auto* bindings = body.if_contains("bindings");
  if (bindings == nullptr || bindings->is_null()) return policy;
  if (!bindings->is_array()) return InvalidArgument("Invalid value at 'policy.bindings'");
  for (const auto& each : bindings->get_array()) {
    if (!each.is_object()) return InvalidArgument("Invalid value at 'policy.bindings'");
    const json::object& binding = each.get_object();
    const std::string role = TextIn(binding, "role");
    if (!IsRole(role)) {
      return InvalidArgument(fmt::format("Role {} is not supported for this resource.", role));
    }
    if (!ObjectIn(binding, "condition").empty()) {
      return InvalidArgument("This KMS offers no conditions in policies.");
    }
    const auto* members = binding.if_contains("members");
    if (members == nullptr || !members->is_array()) continue;
    for (const auto& member : members->get_array()) {
      if (!member.is_string()) return InvalidArgument("Invalid value at 'policy.bindings.members'");
      const std::string name(member.get_string());
      GOOGLE_TRY(CheckMember(state, name));
      policy[role].insert(name);
    }
  }
  return policy;
}

}  // namespace

Answer GetIamPolicy(Operation& op) {
  GOOGLE_TRY(op.Authorize(KindOf(op.target.pattern) + ".getIamPolicy"));
  GOOGLE_TRY(MustExist(*op.state, op.resource()));
  return ShowPolicy(PolicyOf(*op.state, op.resource()));
}

Answer SetIamPolicy(Operation& op) {
  GOOGLE_TRY(op.Authorize(KindOf(op.target.pattern) + ".setIamPolicy"));
  const json::object& wanted = ObjectIn(op.body, "policy");
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    GOOGLE_TRY(MustExist(state, op.resource()));
    const Bytes etag = GOOGLE_TRY(BytesIn(wanted, "etag"));
    if (!etag.empty() && etag != EtagOf(PolicyOf(state, op.resource()))) {
      return GoogleFailure{409, "ABORTED",
                           "There were concurrent policy changes. Please retry the whole "
                           "read-modify-write with exponential backoff."};
    }
    state.policies[op.resource()] = GOOGLE_TRY(PolicyIn(state, wanted));
    return {};
  }));
  return ShowPolicy(PolicyOf(*op.state, op.resource()));
}

Answer TestIamPermissions(Operation& op) {
  GOOGLE_TRY(MustExist(*op.state, op.resource()));
  json::array held;
  if (const auto* list = op.body.if_contains("permissions"); list != nullptr && list->is_array()) {
    for (const auto& each : list->get_array()) {
      if (!each.is_string()) return InvalidArgument("Invalid value at 'permissions'");
      const std::string permission(each.get_string());
      if (Allows(*op.state, op.call.caller, permission, op.resource()))
        held.emplace_back(permission);
    }
  }
  json::object answer;
  if (!held.empty()) answer["permissions"] = std::move(held);
  return answer;
}

}  // namespace freehold::embedded::google
