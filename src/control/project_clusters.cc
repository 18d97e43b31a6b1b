#include "control/project_clusters.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <mutex>
#include <thread>

#include "base/crash_point.h"
#include "control/audit.h"
#include "control/nodes.h"
#include "control/outbox.h"
#include "control/project_keys.h"
#include "control/restorers.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

// Trials of keys are bounded for the whole server; others' are to find a place too.
constexpr std::size_t kAtOnce = 4;
// Clients give up after a minute, and one cluster may take half of it.
constexpr Duration kPatience = std::chrono::seconds(25);

using Refusals = std::vector<std::pair<std::string, Error>>;
using Change = std::function<Status(const Cluster&)>;

// Some at once; those that are not begun in time are refused as such.
Refusals ForEach(const Clock& clock, const std::vector<Cluster>& clusters, const Change& change) {
  const BootTime deadline = clock.Boot() + kPatience;
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  Refusals refusals;
  const auto work = [&] {
    for (std::size_t at; (at = next++) < clusters.size();) {
      const Status done = clock.Boot() < deadline
                              ? change(clusters[at])
                              : Error(ErrorCode::kNotReady,
                                      "not reached in time, nothing was changed; send it again");
      if (done.ok()) continue;
      const std::lock_guard lock(mutex);
      refusals.emplace_back(clusters[at].id, done.error());
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < std::min(kAtOnce, clusters.size()); ++i) threads.emplace_back(work);
  work();
  threads.clear();
  return refusals;
}

}  // namespace

Result<ProjectClusters::Loaded> ProjectClusters::LoadFor(Transaction& transaction,
                                                         const Caller& caller,
                                                         const std::string& id,
                                                         Permission permission) {
  Loaded loaded;
  loaded.project = TRY(Load<Project>(transaction, Kind::kProject, id, "project"));
  TRY(Require(caller, permission, PlaceOf(loaded.project), "project", id));
  loaded.clusters =
      TRY(LoadAll<Cluster>(transaction, Kind::kCluster, loaded.project.organization, {}));
  std::erase_if(loaded.clusters, [&](const Cluster& cluster) { return cluster.project != id; });
  return loaded;
}

Result<ProjectClusters::Loaded> ProjectClusters::LoadFor(const Caller& caller,
                                                         const std::string& id,
                                                         Permission permission) {
  Loaded loaded;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    loaded = TRY(LoadFor(transaction, caller, id, permission));
    return {};
  }));
  return loaded;
}

Result<ProjectOutcome> ProjectClusters::Outcome(const Caller& caller, const std::string& id,
                                                const Refusals& refusals) {
  ProjectOutcome outcome;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kRead));
    outcome = {loaded.project, {}, {}};
    outcome.restore_warning =
        TRY(RestoreWarning(transaction, loaded.project, caller, clock_.Wall()));
    for (const Cluster& cluster : loaded.clusters) {
      const auto nodes = TRY(LoadStates(transaction, cluster.id, clock_.Wall()));
      ClusterOutcome row{
          cluster.id, cluster.name, InfoOf(cluster, nodes).status, cluster.state, {}};
      for (const auto& [refused, error] : refusals) {
        if (refused == cluster.id) row.refusal = error;
      }
      outcome.clusters.push_back(std::move(row));
    }
    return {};
  }));
  return outcome;
}

Result<ProjectOutcome> ProjectClusters::Get(const Caller& caller, const std::string& id) {
  const Loaded loaded = TRY(LoadFor(caller, id, Permission::kRead));
  Refusals refusals;
  for (const Cluster& cluster : loaded.clusters) {
    const std::string region = RegionWithAnother(loaded.project, cluster);
    if (region.empty()) continue;
    refusals.emplace_back(cluster.id,
                          Error(ErrorCode::kPrecondition,
                                fmt::format("its key in the region '{}' is not the project's; if "
                                            "it is to be, send the project's keys again",
                                            region)));
  }
  return Outcome(caller, id, refusals);
}

Result<ProjectOutcome> ProjectClusters::Update(const Caller& caller, const std::string& id,
                                               const std::vector<api::RegionSpec>& specs) {
  Loaded loaded;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    loaded = TRY(LoadFor(transaction, caller, id, Permission::kManageKeys));
    const auto organization = TRY(Load<Organization>(transaction, Kind::kOrganization,
                                                     loaded.project.organization, "organization"));
    TRY(ReplaceKeys(loaded.project, organization, specs));
    TRY(transaction.Put(ToRecord(loaded.project)));
    return Note(transaction, clock_, caller, {"UPDATE_PROJECT_CMEK", PlaceOf(loaded.project)},
                api::SpecsPayload(specs));
  }));
  const auto rotate = [&](const Cluster& cluster) -> Status {
    const auto here = TRY(SpecsToFollow(loaded.project, cluster, specs));
    if (!here.empty()) TRY(clusters_.FollowProject(caller, cluster.id, here));
    CrashPoint("project.followed");
    return {};
  };
  return Outcome(caller, id, ForEach(clock_, loaded.clusters, rotate));
}

Result<ProjectOutcome> ProjectClusters::Revoke(const Caller& caller, const std::string& id) {
  Refusals refusals;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    refusals.clear();
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kRevokeKeys));
    Project& project = loaded.project;
    TRY(CheckTakesKeys(project));
    const auto roles = caller.RolesFor(Permission::kRevokeKeys, PlaceOf(project));
    const WallTime now = clock_.Wall();
    if (!project.revoked.has_value()) {
      project.revoked = Revocation{now, caller.service_account, roles};
      TRY(transaction.Put(ToRecord(project)));
      TRY(Note(transaction, clock_, caller, {"REVOKE_PROJECT_CMEK", PlaceOf(project)}, {}));
    }
    const std::string warning = TRY(RestoreWarning(transaction, project, caller, now));
    for (Cluster& cluster : loaded.clusters) {
      if (cluster.revoked.has_value()) continue;
      if (auto revoked = RevokeCmek(cluster, caller, roles, now); !revoked.ok()) {
        refusals.emplace_back(cluster.id, revoked.error());
        continue;
      }
      cluster.revoked->of_project = true;
      TRY(PutCluster(transaction, cluster));
      TRY(Note(transaction, clock_, caller, {"REVOKE_CMEK", PlaceOf(cluster), cluster.name}, {}));
      TRY(TellRevocation(transaction, cluster, caller, warning, now));
    }
    return {};
  }));
  return Outcome(caller, id, refusals);
}

Result<ProjectOutcome> ProjectClusters::Restore(const Caller& caller, const std::string& id) {
  Refusals refusals;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    refusals.clear();
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kRestoreKeys));
    Project& project = loaded.project;
    if (!project.revoked.has_value()) {
      return Error(ErrorCode::kPrecondition, "the project's keys are not revoked");
    }
    const auto roles = caller.RolesFor(Permission::kRestoreKeys, PlaceOf(project));
    const WallTime now = clock_.Wall();
    TRY(CheckMayRestore(*project.revoked, caller, roles, now));
    project.revoked.reset();
    TRY(transaction.Put(ToRecord(project)));
    TRY(Note(transaction, clock_, caller, {"RESTORE_PROJECT_CMEK", PlaceOf(project)}, {}));
    for (Cluster& cluster : loaded.clusters) {
      if (!cluster.revoked.has_value()) continue;
      if (!cluster.revoked->of_project) {
        refusals.emplace_back(cluster.id, Error(ErrorCode::kPrecondition,
                                                "its keys were not revoked with those of the "
                                                "project; restore the cluster by itself"));
        continue;
      }
      if (auto restored = RestoreCmek(cluster, caller, roles, now); !restored.ok()) {
        refusals.emplace_back(cluster.id, restored.error());
        continue;
      }
      TRY(transaction.Put(ToRecord(cluster)));
      TRY(Note(transaction, clock_, caller, {"RESTORE_CMEK", PlaceOf(cluster), cluster.name}, {}));
      TRY(TellRevocation(transaction, cluster, caller, "", now));
    }
    return {};
  }));
  return Outcome(caller, id, refusals);
}

Result<ProjectOutcome> ProjectClusters::Act(const Caller& caller, const std::string& id,
                                            api::CmekAction action) {
  if (action == api::CmekAction::kRevoke) return Revoke(caller, id);
  if (action == api::CmekAction::kRestore) return Restore(caller, id);
  return Error(ErrorCode::kInvalidArgument,
               "action: a project takes REVOKE and RESTORE; others are for each cluster");
}

Result<ProjectOutcome> ProjectClusters::SetState(const Caller& caller, const std::string& id,
                                                 bool start) {
  const Loaded loaded = TRY(LoadFor(caller, id, Permission::kOperateClusters));
  const auto change = [&](const Cluster& cluster) -> Status {
    TRY(start ? clusters_.Start(caller, cluster.id) : clusters_.Stop(caller, cluster.id));
    return {};
  };
  return Outcome(caller, id, ForEach(clock_, loaded.clusters, change));
}

}  // namespace freehold::control
