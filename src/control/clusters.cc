#include "control/clusters.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/bytes.h"
#include "control/audit.h"
#include "control/custody_rules.h"
#include "control/nodes.h"
#include "control/outbox.h"
#include "control/project_keys.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::size_t kLongestClusterName = 40;
constexpr std::size_t kMostRegions = 50;
constexpr std::uint64_t kMostNodes = 100;

Status AddRegion(Cluster& cluster, const std::string& name, std::uint64_t nodes) {
  TRY(CheckLabel("region", name, kLongestRegionName));
  if (nodes < 1 || nodes > kMostNodes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("region_nodes.{}: must be 1 to {}", name, kMostNodes));
  }
  if (cluster.regions.size() >= kMostRegions) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a cluster has at most {} regions", kMostRegions));
  }
  const auto at = std::lower_bound(
      cluster.regions.begin(), cluster.regions.end(), name,
      [](const Region& region, const std::string& other) { return region.name < other; });
  if (at != cluster.regions.end() && at->name == name) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the region '{}' is there twice", name));
  }
  cluster.regions.insert(at, Region{name, nodes, {}, 0});
  return {};
}

boost::json::object PayloadOf(const std::vector<api::RegionSpec>& specs,
                              const Cluster* regions_of = nullptr) {
  boost::json::array list;
  for (const api::RegionSpec& spec : specs) list.push_back(api::ToJson(spec));
  boost::json::object payload = {{"region_specs", std::move(list)}};
  if (regions_of == nullptr) return payload;
  boost::json::object nodes;
  for (const Region& region : regions_of->regions) nodes[region.name] = region.node_count;
  payload["region_nodes"] = std::move(nodes);
  return payload;
}

// Every region that is to do something has a node to do it.
Status CheckReady(const Cluster& cluster, const std::vector<NodeState>& nodes,
                  const std::vector<api::RegionSpec>& specs) {
  for (const api::RegionSpec& spec : specs) {
    const auto ready = [&](const NodeState& node) {
      return node.region == spec.region && node.connected;
    };
    if (std::none_of(nodes.begin(), nodes.end(), ready)) {
      return Error(ErrorCode::kNotReady,
                   fmt::format("no node of cluster '{}' in region '{}' is ready; try again later",
                               cluster.name, spec.region));
    }
  }
  return {};
}

const Region* RegionOf(const Cluster& cluster, const std::string& name) {
  for (const Region& region : cluster.regions) {
    if (region.name == name) return &region;
  }
  return nullptr;
}

// New regions as they are asked for; one that is there must be as it is.
Status AddNewRegions(Cluster& cluster,
                     const std::vector<std::pair<std::string, std::uint64_t>>& regions,
                     const std::vector<api::RegionSpec>& fresh) {
  for (const auto& [name, nodes] : regions) {
    const Region* present = RegionOf(cluster, name);
    if (present == nullptr) {
      TRY(AddRegion(cluster, name, nodes));
    } else if (present->node_count != nodes) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("region_nodes.{}: the region has {} nodes; changing that is not "
                               "offered yet",
                               name, present->node_count));
    }
  }
  for (const api::RegionSpec& spec : fresh) {
    if (RegionOf(cluster, spec.region) == nullptr) TRY(AddRegion(cluster, spec.region, 1));
  }
  return {};
}

// Without those of regions that have that very key.
Result<std::vector<api::RegionSpec>> NewSpecs(const Cluster& cluster,
                                              const std::vector<api::RegionSpec>& specs) {
  std::vector<api::RegionSpec> fresh;
  for (const api::RegionSpec& spec : specs) {
    const Region* present = RegionOf(cluster, spec.region);
    if (present == nullptr) {
      fresh.push_back(spec);
    } else if (present->keys.empty() || !api::SameKey(present->keys.front().spec, spec.key_spec)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the region '{}' has its key already; PUT on the cluster's cmek "
                               "changes it",
                               spec.region));
    }
  }
  return fresh;
}

// A cluster has a key in every region or in none.
Status CheckKeysAreWhole(const Cluster& cluster, bool has_keys,
                         const std::vector<api::RegionSpec>& fresh) {
  if (!has_keys && !fresh.empty()) {
    return Error(ErrorCode::kPrecondition,
                 "the cluster has no customer-managed keys yet; POST to its cmek first");
  }
  for (const Region& region : cluster.regions) {
    const auto named = [&](const api::RegionSpec& spec) { return spec.region == region.name; };
    if (has_keys && region.keys.empty() && std::none_of(fresh.begin(), fresh.end(), named)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("cmek_region_specs: the region '{}' is missing", region.name));
    }
  }
  return {};
}

}  // namespace

boost::json::array KeysOver(const Cluster& cluster) {
  boost::json::array list;
  for (const Region& region : cluster.regions) {
    for (const std::vector<RegionKey>* keys : {&region.keys, &region.left_keys}) {
      for (const RegionKey& key : *keys) {
        boost::json::object row = api::ToJson(key.spec);
        row["region"] = region.name;
        row["versions"] = boost::json::array(key.versions.begin(), key.versions.end());
        list.push_back(std::move(row));
      }
    }
  }
  return list;
}

namespace {

// The newest key of each region that has one.
std::vector<api::RegionSpec> PresentKeys(const Cluster& cluster) {
  std::vector<api::RegionSpec> present;
  for (const Region& region : cluster.regions) {
    if (!region.keys.empty()) present.push_back({region.name, region.keys.front().spec});
  }
  return present;
}

}  // namespace

Result<Cluster> Clusters::Create(const Caller& caller, const ClusterPlan& plan) {
  TRY(CheckLabel("name", plan.name, kLongestClusterName));
  if (plan.regions.empty()) {
    return Error(ErrorCode::kInvalidArgument, "region_nodes: is missing or empty");
  }
  Cluster fresh;
  fresh.id = NewUuid();
  fresh.name = plan.name;
  fresh.organization = caller.organization;
  fresh.created_at = fresh.updated_at = clock_.Wall();
  for (const auto& [name, nodes] : plan.regions) TRY(AddRegion(fresh, name, nodes));
  Cluster made;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Loaded loaded{fresh, {}, {}, {}};
    std::vector<api::RegionSpec> specs = plan.region_specs;
    if (!plan.project.empty()) {
      const auto project = TRY(Load<Project>(transaction, Kind::kProject, plan.project, "project"));
      loaded.cluster.project = project.id;
      TRY(Require(caller, Permission::kManageClusters, PlaceOf(project), "project", project.id));
      TRY(CheckNotRevoked(project));
      TRY(TakeProjectKeys(project, loaded.cluster, specs));
    } else {
      TRY(caller.Require(Permission::kManageClusters, {caller.organization, "", ""}));
    }
    loaded.organization = TRY(
        Load<Organization>(transaction, Kind::kOrganization, caller.organization, "organization"));
    loaded.cluster.terms = FirstTerms(loaded.organization.custody_bounds);
    if (!specs.empty()) {
      TRY(EnableCmek(loaded.cluster, loaded.organization, specs, clock_.Wall()));
      TRY(CheckUnique(transaction, loaded, specs));
    }
    TRY(transaction.Put(ToRecord(loaded.cluster)));
    TRY(TakeFreeNodes(transaction, loaded.cluster));
    TRY(Note(transaction, clock_, caller,
             {"CREATE_CLUSTER", PlaceOf(loaded.cluster), loaded.cluster.name},
             PayloadOf(specs, &loaded.cluster)));
    made = std::move(loaded.cluster);
    return {};
  }));
  return made;
}

Result<Clusters::Loaded> Clusters::LoadFor(Transaction& transaction, const Caller& caller,
                                           const std::string& id, Permission permission) {
  Loaded loaded;
  loaded.cluster = TRY(Load<Cluster>(transaction, Kind::kCluster, id, "cluster"));
  TRY(Require(caller, permission, PlaceOf(loaded.cluster), "cluster", id));
  loaded.organization = TRY(Load<Organization>(transaction, Kind::kOrganization,
                                               loaded.cluster.organization, "organization"));
  loaded.nodes = TRY(LoadStates(transaction, id, clock_.Wall()));
  if (!loaded.cluster.project.empty()) {
    loaded.project =
        TRY(Load<Project>(transaction, Kind::kProject, loaded.cluster.project, "project"));
  }
  return loaded;
}

Result<Cluster> Clusters::Get(const Caller& caller, const std::string& id) {
  Cluster found;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    found = TRY(LoadFor(transaction, caller, id, Permission::kRead)).cluster;
    return {};
  }));
  return found;
}

Result<std::vector<Cluster>> Clusters::List(const Caller& caller, const Page& page) {
  std::vector<Cluster> seen;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    seen = TRY(LoadSeen<Cluster>(transaction, Kind::kCluster, caller, page));
    return {};
  }));
  return seen;
}

Result<Cluster> Clusters::Delete(const Caller& caller, const std::string& id) {
  Cluster deleted;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kManageClusters));
    if (loaded.cluster.revoked.has_value()) {
      // Making it again would be a restore.
      TRY(caller.Require(Permission::kRestoreKeys, PlaceOf(loaded.cluster)));
    }
    TRY(ReleaseNodes(transaction, loaded.cluster));
    deleted = std::move(loaded.cluster);
    deleted.state = ClusterState::kDeleting;
    TRY(transaction.Remove(Kind::kCluster, id));
    TRY(ForgetNews(transaction, id));
    // Whoever destroys these at the KMS has erased the cluster's data everywhere.
    boost::json::array keys = KeysOver(deleted);
    return Note(transaction, clock_, caller, {"DELETE_CLUSTER", PlaceOf(deleted), deleted.name},
                {{"keys_that_stood_over_it", std::move(keys)}});
  }));
  return deleted;
}

Result<Cluster> Clusters::AddRegions(
    const Caller& caller, const std::string& id,
    const std::vector<std::pair<std::string, std::uint64_t>>& regions,
    const std::vector<api::RegionSpec>& specs) {
  Cluster changed;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kManageKeys));
    Cluster& cluster = loaded.cluster;
    if (specs.empty()) TRY(caller.Require(Permission::kManageClusters, PlaceOf(cluster)));
    auto fresh = TRY(NewSpecs(cluster, specs));
    const bool has_keys = !cluster.regions.front().keys.empty();
    TRY(AddNewRegions(cluster, regions, fresh));
    if (has_keys && loaded.project.has_value()) {
      TRY(TakeProjectKeys(*loaded.project, cluster, fresh));
    }
    TRY(CheckKeysAreWhole(cluster, has_keys, fresh));
    if (!fresh.empty()) {
      TRY(UpdateCmek(cluster, loaded.organization, fresh, clock_.Wall()));
      TRY(CheckUnique(transaction, loaded, fresh));
    }
    cluster.updated_at = clock_.Wall();
    TRY(transaction.Put(ToRecord(cluster)));
    TRY(TakeFreeNodes(transaction, cluster));
    TRY(Note(transaction, clock_, caller, {"UPDATE_CLUSTER", PlaceOf(cluster), cluster.name},
             PayloadOf(fresh, &cluster)));
    changed = std::move(cluster);
    return {};
  }));
  return changed;
}

Result<Cluster> Clusters::ChangeState(const Caller& caller, const std::string& id,
                                      ClusterState state) {
  Cluster changed;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kOperateClusters));
    Cluster& cluster = loaded.cluster;
    const bool is_down =
        cluster.state == ClusterState::kStopping || cluster.state == ClusterState::kStopped;
    if (is_down != (state == ClusterState::kStopping)) {
      cluster.state = state;
      cluster.updated_at = clock_.Wall();
      TRY(transaction.Put(ToRecord(cluster)));
      TRY(Note(transaction, clock_, caller,
               {state == ClusterState::kStopping ? "STOP_CLUSTER" : "START_CLUSTER",
                PlaceOf(cluster), cluster.name},
               {}));
    }
    changed = std::move(cluster);
    return {};
  }));
  return changed;
}

Result<Cluster> Clusters::Stop(const Caller& caller, const std::string& id) {
  return ChangeState(caller, id, ClusterState::kStopping);
}

Result<Cluster> Clusters::Start(const Caller& caller, const std::string& id) {
  std::vector<TrialWish> wishes;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kOperateClusters));
    if (loaded.cluster.revoked.has_value()) {
      return Error(ErrorCode::kPrecondition,
                   "the cluster's keys are revoked; restore them before starting it");
    }
    const auto present = PresentKeys(loaded.cluster);
    wishes = WishesFor(present, loaded.nodes, loaded.organization.id, true);
    return CheckReady(loaded.cluster, loaded.nodes, present);
  }));
  if (auto usable = trials_.Try(wishes); !usable.ok()) {
    if (usable.error().code() != ErrorCode::kInvalidArgument) return usable.error();
    return Error(ErrorCode::kPrecondition, usable.error().message());
  }
  return ChangeState(caller, id, ClusterState::kStarting);
}

Result<std::vector<NodeState>> Clusters::Nodes(const Caller& caller, const std::string& id) {
  std::vector<NodeState> nodes;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    nodes = TRY(LoadFor(transaction, caller, id, Permission::kRead)).nodes;
    return {};
  }));
  return nodes;
}

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
    TRY(transaction.Put(ToRecord(loaded.cluster)));
    TRY(Note(transaction, clock_, caller, {action, PlaceOf(loaded.cluster), loaded.cluster.name},
             payload));
    const bool is_revoked = loaded.cluster.revoked.has_value();
    if (is_revoked != was_revoked) {
      TRY(TellRevocation(transaction, loaded.cluster, caller, clock_.Wall()));
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

Result<api::CmekClusterInfo> Clusters::Enable(const Caller& caller, const std::string& id,
                                              const std::vector<api::RegionSpec>& specs) {
  const Apply enable = [&](Loaded& loaded) -> Status {
    TRY(EnableCmek(loaded.cluster, loaded.organization, specs, clock_.Wall()));
    return CheckReady(loaded.cluster, loaded.nodes, specs);
  };
  TRY(TryFirst(caller, id, specs, enable));
  return ChangeKeys(caller, id, Permission::kManageKeys, "UPDATE_CMEK", PayloadOf(specs), enable);
}

Result<api::CmekClusterInfo> Clusters::Update(const Caller& caller, const std::string& id,
                                              const std::vector<api::RegionSpec>& specs) {
  const Apply update = [&](Loaded& loaded) -> Status {
    TRY(UpdateCmek(loaded.cluster, loaded.organization, specs, clock_.Wall()));
    return CheckReady(loaded.cluster, loaded.nodes, specs);
  };
  TRY(TryFirst(caller, id, specs, update));
  return ChangeKeys(caller, id, Permission::kManageKeys, "UPDATE_CMEK", PayloadOf(specs), update);
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
          TRY(CheckProjectLets(loaded, caller));
          return RestoreCmek(loaded.cluster, caller,
                             caller.RolesFor(Permission::kRestoreKeys, PlaceOf(loaded.cluster)));
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
  return ChangeKeys(caller, id, Permission::kRestoreKeys, "DISENROL_CMEK", {}, leave);
}

// What was taken from a whole project is given back by who may do that for all of it.
Status Clusters::CheckProjectLets(const Loaded& loaded, const Caller& caller) {
  if (!loaded.project.has_value() || !loaded.project->revoked.has_value()) return {};
  const auto roles = caller.RolesFor(Permission::kRestoreKeys, PlaceOf(*loaded.project));
  if (!roles.empty()) return CheckMayRestore(*loaded.project->revoked, caller, roles);
  return Error(ErrorCode::kForbidden,
               "the keys of its whole project are revoked; who may restore the project may restore "
               "this cluster");
}

Status Clusters::CheckUnique(Transaction& transaction, const Loaded& loaded,
                             const std::vector<api::RegionSpec>& specs) {
  if (!loaded.organization.unique_keys) return {};
  std::set<std::string> wanted;
  for (const api::RegionSpec& spec : specs) wanted.insert(api::CanonicalUri(spec.key_spec));
  for (const Cluster& other :
       TRY(LoadAll<Cluster>(transaction, Kind::kCluster, loaded.organization.id, {}))) {
    if (other.id == loaded.cluster.id) continue;
    for (const Region& region : other.regions) {
      for (const RegionKey& key : region.keys) {
        if (key.status == api::CmekStatus::kDisabled) continue;
        if (!wanted.contains(api::CanonicalUri(key.spec))) continue;
        return Error(ErrorCode::kPrecondition,
                     "another cluster uses this key already, and the operator wants one for each");
      }
    }
  }
  return {};
}

}  // namespace freehold::control
