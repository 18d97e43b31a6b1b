#include "control/cmek.h"

#include <algorithm>
#include <array>
#include <set>

#include "control/custody_rules.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

using api::CmekStatus;

Region* RegionOf(Cluster& cluster, const std::string& name) {
  const auto found = std::find_if(cluster.regions.begin(), cluster.regions.end(),
                                  [&](const Region& region) { return region.name == name; });
  return found == cluster.regions.end() ? nullptr : &*found;
}

bool HasKeys(const Cluster& cluster) {
  return std::any_of(cluster.regions.begin(), cluster.regions.end(),
                     [](const Region& region) { return !region.keys.empty(); });
}

// The types that the operator allows there; a region that is not named has those of "*".
Status CheckAllowedType(const Organization& organization, const api::RegionSpec& spec) {
  const auto& allowed = organization.allowed_kms_types;
  auto found = allowed.find(spec.region);
  if (found == allowed.end()) found = allowed.find("*");
  if (found == allowed.end()) return {};
  const auto& types = found->second;
  if (std::find(types.begin(), types.end(), spec.key_spec.type) != types.end()) return {};
  return Error(ErrorCode::kForbidden,
               fmt::format("the operator does not allow keys of {} in region {}",
                           spec.key_spec.type, spec.region));
}

Status CheckMayChange(const Cluster& cluster, const Organization& organization,
                      const std::vector<api::RegionSpec>& specs) {
  TRY(CheckGranted(organization, {}));
  if (cluster.revoked.has_value()) {
    return Error(ErrorCode::kPrecondition,
                 "the cluster's keys are revoked; restore them before changing them");
  }
  if (cluster.state == ClusterState::kDeleting) {
    return Error(ErrorCode::kPrecondition, "the cluster is being deleted");
  }
  for (const api::RegionSpec& spec : specs) {
    const auto known = [&](const Region& region) { return region.name == spec.region; };
    if (std::none_of(cluster.regions.begin(), cluster.regions.end(), known)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the cluster has no region '{}'", Printable(spec.region)));
    }
  }
  return CheckGranted(organization, specs);
}

// A key in front of the others, which are on their way out.
void Begin(Region& region, const api::KeySpec& spec, WallTime now) {
  region.leaves_for.reset();
  for (RegionKey& past : region.keys) {
    if (past.status == CmekStatus::kDisabled) continue;
    past.status = CmekStatus::kDisabling;
    past.updated_at = now;
  }
  region.keys.insert(region.keys.begin(), RegionKey{spec, CmekStatus::kEnabling, "", now, now});
}

// The same key, which something is to be done with.
void Again(Region& region, WallTime now) {
  region.leaves_for.reset();
  RegionKey& key = region.keys.front();
  key.status = CmekStatus::kEnabling;
  key.user_message.clear();
  key.updated_at = now;
}

Status CheckIsAnotherRole(const Revocation& revoked, const std::vector<Role>& roles) {
  const auto other = [&](Role role) {
    return std::find(revoked.roles.begin(), revoked.roles.end(), role) == revoked.roles.end();
  };
  // Who had every role that restores leaves none that is another: then the account is.
  const auto restores = [&](Role role) {
    return !May(role, Permission::kRestoreKeys) || !other(role);
  };
  const std::span<const Role> all = AllRoles();
  if (std::all_of(all.begin(), all.end(), restores)) return {};
  if (std::any_of(roles.begin(), roles.end(), other)) return {};
  return Error(ErrorCode::kForbidden,
               fmt::format("the role {} revoked these keys; another one must restore them",
                           NameOf(revoked.roles.front())));
}

}  // namespace

Status CheckGranted(const Organization& organization, const std::vector<api::RegionSpec>& specs) {
  if (!organization.cmek_granted) {
    return Error(ErrorCode::kForbidden,
                 "customer-managed keys are not granted to this organization; ask the operator");
  }
  for (const api::RegionSpec& spec : specs) TRY(CheckAllowedType(organization, spec));
  return {};
}

Status EnableCmek(Cluster& cluster, const Organization& organization,
                  const std::vector<api::RegionSpec>& specs, WallTime now) {
  TRY(CheckMayChange(cluster, organization, specs));
  if (HasKeys(cluster)) {
    return Error(ErrorCode::kPrecondition,
                 "the cluster has customer-managed keys already; PUT changes them");
  }
  for (const Region& region : cluster.regions) {
    const auto named = [&](const api::RegionSpec& spec) { return spec.region == region.name; };
    if (std::none_of(specs.begin(), specs.end(), named)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("region_specs: the region '{}' is missing", region.name));
    }
  }
  for (const api::RegionSpec& spec : specs) {
    Begin(*RegionOf(cluster, spec.region), spec.key_spec, now);
  }
  cluster.updated_at = now;
  return {};
}

Status UpdateCmek(Cluster& cluster, const Organization& organization,
                  const std::vector<api::RegionSpec>& specs, WallTime now) {
  if (!HasKeys(cluster)) return EnableCmek(cluster, organization, specs, now);
  TRY(CheckMayChange(cluster, organization, specs));
  for (const Region& region : cluster.regions) {  // one may have left its keys already
    const auto named = [&](const api::RegionSpec& spec) { return spec.region == region.name; };
    if (region.keys.empty() && std::none_of(specs.begin(), specs.end(), named)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("region_specs: the region '{}' is missing", region.name));
    }
  }
  for (const api::RegionSpec& spec : specs) {
    Region& region = *RegionOf(cluster, spec.region);
    const bool same = !region.keys.empty() && api::SameKey(region.keys.front().spec, spec.key_spec);
    if (!same) {
      Begin(region, spec.key_spec, now);
      continue;
    }
    ++region.rewraps;
    Again(region, now);
  }
  cluster.updated_at = now;
  return {};
}

Status RevokeCmek(Cluster& cluster, const Caller& caller, const std::vector<Role>& by,
                  WallTime now) {
  if (!HasKeys(cluster)) {
    return Error(ErrorCode::kPrecondition,
                 "the cluster has no customer-managed keys that could be revoked");
  }
  if (cluster.revoked.has_value()) return {};
  cluster.revoked = Revocation{now, caller.service_account, by};
  cluster.updated_at = now;
  return {};
}

Status CheckMayRestore(const Revocation& revoked, const Caller& caller,
                       const std::vector<Role>& roles, WallTime now) {
  // A store that was lost learned it from nodes: nobody knows who, and all accounts are new.
  if (revoked.by.empty()) return {};
  if (caller.service_account == revoked.by) {
    return Error(ErrorCode::kForbidden,
                 "these keys are restored by another service account than the one that revoked "
                 "them");
  }
  TRY(CheckIsAnotherRole(revoked, roles));
  if (caller.since < revoked.at) return {};
  if (caller.operator_touched_at >= revoked.at) {
    return Error(ErrorCode::kForbidden,
                 "this service account never restores these keys: after they were revoked the "
                 "operator made it, its API key, or whoever made one of these");
  }
  if (now >= caller.MatureAt()) return {};
  return Error(ErrorCode::kForbidden,
               fmt::format("this service account or its API key was made after these keys were "
                           "revoked, and may restore them from {} on",
                           FormatTime(caller.MatureAt())));
}

Status CheckMayRestoreProject(const std::optional<Project>& project, const Caller& caller,
                              WallTime now) {
  if (!project.has_value() || !project->revoked.has_value()) return {};
  const auto roles = caller.RolesFor(Permission::kRestoreKeys, PlaceOf(*project));
  if (!roles.empty()) return CheckMayRestore(*project->revoked, caller, roles, now);
  return Error(ErrorCode::kForbidden,
               "the keys of its whole project are revoked; who may restore the project may restore "
               "this cluster");
}

Status RestoreCmek(Cluster& cluster, const Caller& caller, const std::vector<Role>& roles,
                   WallTime now) {
  if (!cluster.revoked.has_value()) {
    const bool by_hand = HasKeys(cluster) && TermsOf(cluster).on_key_return == OnKeyReturn::kManual;
    if (!by_hand) return Error(ErrorCode::kPrecondition, "the cluster's keys are not revoked");
    ++cluster.opens;
    return {};
  }
  TRY(CheckMayRestore(*cluster.revoked, caller, roles, now));
  cluster.revoked.reset();
  return {};
}

Status RenewKeys(Cluster& cluster, bool new_deks, WallTime now) {
  if (!HasKeys(cluster)) {
    return Error(ErrorCode::kPrecondition, "the cluster has no customer-managed keys");
  }
  if (cluster.revoked.has_value()) {
    return Error(ErrorCode::kPrecondition,
                 "the cluster's keys are revoked; restore them before changing them");
  }
  if (cluster.state == ClusterState::kStopping || cluster.state == ClusterState::kStopped) {
    return Error(ErrorCode::kPrecondition, "the cluster is stopped; start it first");
  }
  if (cluster.state == ClusterState::kDeleting) {
    return Error(ErrorCode::kPrecondition, "the cluster is being deleted");
  }
  const auto leaves = [](const Region& region) { return region.leaves_for.has_value(); };
  if (std::any_of(cluster.regions.begin(), cluster.regions.end(), leaves)) {
    return Error(ErrorCode::kPrecondition, "the cluster is leaving customer-managed keys");
  }
  for (Region& region : cluster.regions) {
    if (region.keys.empty()) continue;
    ++(new_deks ? region.reencrypts : region.rekeys);
    Again(region, now);
  }
  cluster.updated_at = now;
  return {};
}

Status DisenrolCmek(Cluster& cluster, const api::KeySpec& escrow, WallTime now) {
  if (!HasKeys(cluster)) {
    return Error(ErrorCode::kPrecondition, "the cluster has no customer-managed keys to leave");
  }
  if (cluster.revoked.has_value()) {
    return Error(ErrorCode::kPrecondition,
                 "the cluster's keys are revoked; restore them before leaving them");
  }
  if (escrow.uri.empty()) {
    return Error(ErrorCode::kPrecondition,
                 "the operator has set no escrow key, and no cluster is without a key");
  }
  for (Region& region : cluster.regions) {
    if (region.keys.empty()) continue;
    region.leaves_for = escrow;
    for (RegionKey& key : region.keys) {
      if (key.status == CmekStatus::kDisabled) continue;
      key.status = CmekStatus::kDisabling;
      key.user_message.clear();
      key.updated_at = now;
    }
  }
  cluster.updated_at = now;
  return {};
}

}  // namespace freehold::control
