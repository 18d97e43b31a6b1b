// ProjectClusters: one change for all clusters of a project, with what came of it in each.
//
// A revocation and a restore are one transaction for all of them; a rotation, a start and a stop
// are a change of each cluster, and what one refuses stands in its row and stops no other. What was
// not reached in time says so: to send the same again is safe. A cluster whose key is its own, and
// not one that the project has or had, keeps it. Errors: kNotFound, kForbidden, kInvalidArgument,
// kPrecondition for what concerns the whole project, and then nothing has changed. Threads: safe;
// all but Get may take most of a minute. Spec: docs/api/projects.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/clusters.h"

namespace freehold::control {

struct ClusterOutcome {
  std::string cluster;  // id
  std::string name;
  api::CmekStatus status = api::CmekStatus::kDisabled;
  ClusterState state = ClusterState::kCreating;
  std::optional<Error> refusal;  // why nothing was changed here
};

struct ProjectOutcome {
  Project project;
  std::vector<ClusterOutcome> clusters;
  std::string restore_warning;  // restorers.h; "" = none
};

class ProjectClusters {
 public:
  ProjectClusters(Store& store, const Clock& clock, Clusters& clusters)
      : store_(store), clock_(clock), clusters_(clusters) {}

  Result<ProjectOutcome> Get(const Caller& caller, const std::string& id);
  // Other keys for regions, or the same ones anew: first the project's, for clusters to come, then
  // those of the clusters that follow it. Regions that are not named stay as they are.
  Result<ProjectOutcome> Update(const Caller& caller, const std::string& id,
                                const std::vector<api::RegionSpec>& specs);
  // REVOKE takes every cluster's keys, and no cluster is made in the project until RESTORE. That
  // gives back what was taken since: a cluster that had been revoked before stays so.
  Result<ProjectOutcome> Act(const Caller& caller, const std::string& id, api::CmekAction action);
  // Starts or stops each.
  Result<ProjectOutcome> SetState(const Caller& caller, const std::string& id, bool start);

 private:
  struct Loaded {
    Project project;
    std::vector<Cluster> clusters;
  };
  Result<Loaded> LoadFor(Transaction& transaction, const Caller& caller, const std::string& id,
                         Permission permission);
  Result<Loaded> LoadFor(const Caller& caller, const std::string& id, Permission permission);
  Result<ProjectOutcome> Revoke(const Caller& caller, const std::string& id);
  Result<ProjectOutcome> Restore(const Caller& caller, const std::string& id);
  using Refusals = std::vector<std::pair<std::string, Error>>;  // by a cluster's id
  // What there is now, with these refusals in their rows.
  Result<ProjectOutcome> Outcome(const Caller& caller, const std::string& id,
                                 const Refusals& refusals);

  Store& store_;
  const Clock& clock_;
  Clusters& clusters_;
};

}  // namespace freehold::control
