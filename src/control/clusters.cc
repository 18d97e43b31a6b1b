#include "control/clusters.h"

#include <algorithm>
#include <boost/json.hpp>

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

boost::json::object PayloadOf(const std::vector<api::RegionSpec>& specs, const Cluster& cluster) {
  boost::json::object payload = api::SpecsPayload(specs);
  boost::json::object nodes;
  for (const Region& region : cluster.regions) nodes[region.name] = region.node_count;
  payload["region_nodes"] = std::move(nodes);
  return payload;
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
      TRY(CheckAreCustomers(specs));
      TRY(EnableCmek(loaded.cluster, loaded.organization, specs, clock_.Wall()));
      TRY(CheckUnique(transaction, loaded, specs));
    }
    TRY(transaction.Put(ToRecord(loaded.cluster)));
    TRY(TakeFreeNodes(transaction, loaded.cluster));
    TRY(Note(transaction, clock_, caller,
             {"CREATE_CLUSTER", PlaceOf(loaded.cluster), loaded.cluster.name},
             PayloadOf(specs, loaded.cluster)));
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
      TRY(CheckMayRestore(*loaded.cluster.revoked, caller,
                          caller.RolesFor(Permission::kRestoreKeys, PlaceOf(loaded.cluster)),
                          clock_.Wall()));
    }
    TRY(CheckMayRestoreProject(loaded.project, caller, clock_.Wall()));
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
      TRY(CheckAreCustomers(fresh));
      TRY(UpdateCmek(cluster, loaded.organization, fresh, clock_.Wall()));
      TRY(CheckUnique(transaction, loaded, fresh));
    }
    cluster.updated_at = clock_.Wall();
    TRY(transaction.Put(ToRecord(cluster)));
    TRY(TakeFreeNodes(transaction, cluster));
    TRY(Note(transaction, clock_, caller, {"UPDATE_CLUSTER", PlaceOf(cluster), cluster.name},
             PayloadOf(fresh, cluster)));
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

}  // namespace freehold::control
