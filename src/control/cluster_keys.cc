// The changes of a cluster's keys: each is tried first where that can be, decided by the rules of
// cmek.h, and stored with its audit entry.
#include <algorithm>
#include <boost/json.hpp>

#include "control/audit.h"
#include "control/clusters.h"
#include "control/outbox.h"
#include "control/project_keys.h"
#include "control/restorers.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::string_view kDisenrolAction = "DISENROL_CMEK";

}  // namespace

Result<api::CmekClusterInfo> Clusters::Cmek(const Caller& caller, const std::string& id) {
  api::CmekClusterInfo info;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kRead));
    info = InfoOf(loaded.cluster, loaded.nodes);
    return {};
  }));
  return info;
}

Result<api::CmekClusterInfo> Clusters::ChangeKeys(const Caller& caller, const std::string& id,
                                                  Permission permission, std::string_view action,
                                                  const boost::json::object& payload,
                                                  const std::function<Status(Loaded&)>& apply) {
  api::CmekClusterInfo info;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, permission));
    const bool was_revoked = loaded.cluster.revoked.has_value();
    TRY(apply(loaded));
    TRY(CheckUnique(transaction, loaded, PresentKeys(loaded.cluster)));
    TRY(PutCluster(transaction, loaded.cluster));
    TRY(Note(transaction, clock_, caller, {action, PlaceOf(loaded.cluster), loaded.cluster.name},
             payload));
    const bool is_revoked = loaded.cluster.revoked.has_value();
    if (is_revoked != was_revoked) {
      const WallTime now = clock_.Wall();
      const std::string warning =
          is_revoked ? TRY(RestoreWarning(transaction, loaded.cluster, loaded.project, caller, now))
                     : "";
      TRY(TellRevocation(transaction, loaded.cluster, caller, warning, now));
    }
    if (action == kDisenrolAction) {
      TRY(TellLeft(transaction, loaded.cluster, caller, clock_.Wall()));
    }
    info = InfoOf(loaded.cluster, loaded.nodes);
    return {};
  }));
  return info;
}

Status Clusters::TryFirst(const Caller& caller, const std::string& id,
                          const std::vector<api::RegionSpec>& specs, const Apply& apply) {
  std::vector<TrialWish> wishes;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kManageKeys));
    const auto is_named = [&](const api::RegionSpec& key) {
      return std::any_of(specs.begin(), specs.end(),
                         [&](const api::RegionSpec& spec) { return spec.region == key.region; });
    };
    std::vector<api::RegionSpec> present = PresentKeys(loaded.cluster);
    std::erase_if(present, [&](const api::RegionSpec& key) { return !is_named(key); });
    TRY(apply(loaded));
    wishes = WishesFor(specs, loaded.nodes, loaded.organization.id, false);
    // What is left has to be used once more, to let go of it.
    for (const TrialWish& wish : WishesFor(present, loaded.nodes, loaded.organization.id, true)) {
      wishes.push_back(wish);
    }
    return {};
  }));
  return trials_.Try(wishes);
}

Result<api::CmekClusterInfo> Clusters::ChangeToSpecs(const Caller& caller, const std::string& id,
                                                     const std::vector<api::RegionSpec>& specs,
                                                     const Apply& apply) {
  const Apply customers = [&](Loaded& loaded) -> Status {
    TRY(CheckAreCustomers(specs));
    TRY(apply(loaded));
    return CheckReady(loaded.cluster, loaded.nodes, specs);
  };
  TRY(TryFirst(caller, id, specs, customers));
  return ChangeKeys(caller, id, Permission::kManageKeys, "UPDATE_CMEK", api::SpecsPayload(specs),
                    customers);
}

Result<api::CmekClusterInfo> Clusters::Enable(const Caller& caller, const std::string& id,
                                              const std::vector<api::RegionSpec>& specs) {
  const Apply enable = [&](Loaded& loaded) -> Status {
    return EnableCmek(loaded.cluster, loaded.organization, specs, clock_.Wall());
  };
  return ChangeToSpecs(caller, id, specs, enable);
}

Result<api::CmekClusterInfo> Clusters::Update(const Caller& caller, const std::string& id,
                                              const std::vector<api::RegionSpec>& specs) {
  const Apply update = [&](Loaded& loaded) -> Status {
    return UpdateCmek(loaded.cluster, loaded.organization, specs, clock_.Wall());
  };
  return ChangeToSpecs(caller, id, specs, update);
}

Result<api::CmekClusterInfo> Clusters::FollowProject(const Caller& caller, const std::string& id,
                                                     const std::vector<api::RegionSpec>& specs) {
  const Apply follow = [&](Loaded& loaded) -> Status {
    const auto& keys = loaded.project.has_value() ? loaded.project->keys : specs;
    for (const api::RegionSpec& spec : specs) {
      if (std::find(keys.begin(), keys.end(), spec) == keys.end()) {
        return Error(ErrorCode::kPrecondition,
                     "the project's keys have changed again meanwhile; nothing was changed here");
      }
    }
    return UpdateCmek(loaded.cluster, loaded.organization, specs, clock_.Wall());
  };
  return ChangeToSpecs(caller, id, specs, follow);
}

Result<api::CmekClusterInfo> Clusters::UpdateOnlyKey(const Caller& caller, const std::string& id,
                                                     const std::string& uri) {
  const KeyUri parsed = TRY(KeyUri::Parse(uri));
  api::RegionSpec spec{"", {std::string(NameOf(parsed.type())), uri, ""}};
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kManageKeys));
    if (loaded.cluster.regions.size() != 1) {
      return Error(ErrorCode::kPrecondition,
                   fmt::format("the cluster has {} regions; PUT on its cmek changes their keys",
                               loaded.cluster.regions.size()));
    }
    const Region& region = loaded.cluster.regions.front();
    spec.region = region.name;
    if (!region.keys.empty() && region.keys.front().spec.type == spec.key_spec.type) {
      spec.key_spec.auth_principal = region.keys.front().spec.auth_principal;
    }
    TRY(api::ToKeyAccess(spec.key_spec, loaded.organization.id));
    return {};
  }));
  return Update(caller, id, {spec});
}

Result<api::CmekClusterInfo> Clusters::Renew(const Caller& caller, const std::string& id,
                                             bool new_deks) {
  std::vector<api::RegionSpec> present;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    present = PresentKeys(TRY(LoadFor(transaction, caller, id, Permission::kManageKeys)).cluster);
    return {};
  }));
  const Apply renew = [&](Loaded& loaded) -> Status {
    TRY(RenewKeys(loaded.cluster, new_deks, clock_.Wall()));
    return CheckReady(loaded.cluster, loaded.nodes, present);
  };
  TRY(TryFirst(caller, id, present, renew));
  return ChangeKeys(caller, id, Permission::kManageKeys, new_deks ? "REENCRYPT_CMEK" : "REKEY_CMEK",
                    {}, renew);
}

Result<api::CmekClusterInfo> Clusters::Act(const Caller& caller, const std::string& id,
                                           api::CmekAction action) {
  if (action == api::CmekAction::kDisenrol) return Disenrol(caller, id);
  if (action == api::CmekAction::kRekey) return Renew(caller, id, false);
  if (action == api::CmekAction::kReencrypt) return Renew(caller, id, true);
  if (action == api::CmekAction::kRestore) {
    return ChangeKeys(
        caller, id, Permission::kRestoreKeys, "RESTORE_CMEK", {}, [&](Loaded& loaded) -> Status {
          const WallTime now = clock_.Wall();
          TRY(CheckMayRestoreProject(loaded.project, caller, now));
          return RestoreCmek(loaded.cluster, caller,
                             caller.RolesFor(Permission::kRestoreKeys, PlaceOf(loaded.cluster)),
                             now);
        });
  }
  return ChangeKeys(caller, id, Permission::kRevokeKeys, "REVOKE_CMEK", {}, [&](Loaded& loaded) {
    const auto roles = caller.RolesFor(Permission::kRevokeKeys, PlaceOf(loaded.cluster));
    return RevokeCmek(loaded.cluster, caller, roles, clock_.Wall());
  });
}

// As a rotation, to a key that is the operator's; who restores may do it.
Result<api::CmekClusterInfo> Clusters::Disenrol(const Caller& caller, const std::string& id) {
  std::vector<api::RegionSpec> specs;
  const Apply leave = [&](Loaded& loaded) -> Status {
    TRY(caller.Require(Permission::kRestoreKeys, PlaceOf(loaded.cluster)));
    if (loaded.project.has_value() && loaded.project->cmek_enabled) {
      return Error(ErrorCode::kPrecondition,
                   "the cluster's project has customer-managed keys, and so have all its clusters");
    }
    const auto present = PresentKeys(loaded.cluster);
    TRY(DisenrolCmek(loaded.cluster, escrow_, clock_.Wall()));
    return CheckReady(loaded.cluster, loaded.nodes, present);
  };
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kRestoreKeys));
    for (const api::RegionSpec& key : PresentKeys(loaded.cluster)) {
      specs.push_back({key.region, escrow_});
    }
    return leave(loaded);
  }));
  TRY(TryFirst(caller, id, specs, leave));
  return ChangeKeys(caller, id, Permission::kRestoreKeys, kDisenrolAction, {}, leave);
}

Status Clusters::CheckAreCustomers(const std::vector<api::RegionSpec>& specs) const {
  if (escrow_.uri.empty()) return {};
  for (const api::RegionSpec& spec : specs) {
    if (!NameSameKey(spec.key_spec.uri, escrow_.uri)) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("region_specs: the key of region '{}' is the operator's own, and no "
                             "customer-managed one",
                             spec.region));
  }
  return {};
}

Status Clusters::CheckUnique(Transaction& transaction, const Loaded& loaded,
                             const std::vector<api::RegionSpec>& specs) {
  if (!loaded.organization.unique_keys) return {};
  const auto is_wanted = [&](const RegionKey& key) {
    return std::any_of(specs.begin(), specs.end(), [&](const api::RegionSpec& spec) {
      return NameSameKey(spec.key_spec.uri, key.spec.uri);
    });
  };
  for (const Cluster& other :
       TRY(LoadAll<Cluster>(transaction, Kind::kCluster, loaded.organization.id, {}))) {
    if (other.id == loaded.cluster.id) continue;
    for (const Region& region : other.regions) {
      for (const RegionKey& key : region.keys) {
        if (key.status == api::CmekStatus::kDisabled || !is_wanted(key)) continue;
        return Error(ErrorCode::kPrecondition,
                     "another cluster uses this key already, and the operator wants one for each");
      }
    }
  }
  return {};
}

}  // namespace freehold::control
