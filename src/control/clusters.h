// Clusters and their keys: the changes that customers ask for, each with its audit entry.
//
// The rules of keys are cmek.h's; this loads, checks who asks, and stores. Errors: kNotFound,
// kForbidden, kInvalidArgument, kPrecondition, kNotReady, kAlreadyExists. Threads: safe.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control/cluster_view.h"
#include "control/cmek.h"
#include "control/key_trials.h"
#include "control/model.h"

namespace freehold::control {

struct ClusterPlan {
  std::string name;
  std::string project;                                         // "" = in none
  std::vector<std::pair<std::string, std::uint64_t>> regions;  // name, number of nodes
  std::vector<api::RegionSpec> region_specs;  // empty: under the operator's escrow key
};

class Clusters {
 public:
  // `escrow`: the operator's own key, for who leaves CMEK; "" = there is none.
  Clusters(Store& store, const Clock& clock, api::KeySpec escrow = {})
      : store_(store), clock_(clock), escrow_(std::move(escrow)), trials_(store, clock) {}

  Result<Cluster> Create(const Caller& caller, const ClusterPlan& plan);
  Result<Cluster> Get(const Caller& caller, const std::string& id);
  // Those that the caller may see.
  Result<std::vector<Cluster>> List(const Caller& caller, const Page& page);
  // Its nodes stop and are let go; what is on their disks stays, under its keys.
  Result<Cluster> Delete(const Caller& caller, const std::string& id);
  // New regions, with a key each where the cluster has keys. A spec of a region that is there
  // already is ignored when it is the same, and refused when it is not.
  Result<Cluster> AddRegions(const Caller& caller, const std::string& id,
                             const std::vector<std::pair<std::string, std::uint64_t>>& regions,
                             const std::vector<api::RegionSpec>& specs);

  // Seals in order, or opens again. A start is refused while a node cannot use the key.
  Result<Cluster> Stop(const Caller& caller, const std::string& id);
  Result<Cluster> Start(const Caller& caller, const std::string& id);
  // What its nodes last said.
  Result<std::vector<NodeState>> Nodes(const Caller& caller, const std::string& id);

  Result<api::CmekClusterInfo> Cmek(const Caller& caller, const std::string& id);
  Result<api::CmekClusterInfo> Enable(const Caller& caller, const std::string& id,
                                      const std::vector<api::RegionSpec>& specs);
  Result<api::CmekClusterInfo> Update(const Caller& caller, const std::string& id,
                                      const std::vector<api::RegionSpec>& specs);
  // The same to its project's keys, as long as those are still these.
  Result<api::CmekClusterInfo> FollowProject(const Caller& caller, const std::string& id,
                                             const std::vector<api::RegionSpec>& specs);
  // Of a cluster in one region: enables or rotates to the key of this URI, as the principal of the
  // present one if that is at the same kind of KMS. kPrecondition where there are more regions.
  Result<api::CmekClusterInfo> UpdateOnlyKey(const Caller& caller, const std::string& id,
                                             const std::string& uri);
  Result<api::CmekClusterInfo> Act(const Caller& caller, const std::string& id,
                                   api::CmekAction action);

  // Those of all who try keys share its bound.
  KeyTrials& trials() { return trials_; }

 private:
  struct Loaded {
    Cluster cluster;
    Organization organization;
    std::vector<NodeState> nodes;
    std::optional<Project> project;
  };
  // A change of one cluster's keys: `apply` decides, what it leaves is stored and noted.
  Result<api::CmekClusterInfo> ChangeKeys(const Caller& caller, const std::string& id,
                                          Permission permission, std::string_view action,
                                          const boost::json::object& payload,
                                          const std::function<Status(Loaded&)>& apply);
  Result<Loaded> LoadFor(Transaction& transaction, const Caller& caller, const std::string& id,
                         Permission permission);
  using Apply = std::function<Status(Loaded&)>;
  // Enables or rotates: tried first, then decided by `apply`.
  Result<api::CmekClusterInfo> ChangeToSpecs(const Caller& caller, const std::string& id,
                                             const std::vector<api::RegionSpec>& specs,
                                             const Apply& apply);
  Result<api::CmekClusterInfo> Disenrol(const Caller& caller, const std::string& id);
  // What `apply` would do is allowed, and the keys that it needs can be used from their regions.
  Status TryFirst(const Caller& caller, const std::string& id,
                  const std::vector<api::RegionSpec>& specs, const Apply& apply);
  Result<Cluster> ChangeState(const Caller& caller, const std::string& id, ClusterState state);
  // Under the operator's own key a cluster comes by DISENROL only.
  Status CheckAreCustomers(const std::vector<api::RegionSpec>& specs) const;
  // A new KEK, or new DEKs as well, under the present keys.
  Result<api::CmekClusterInfo> Renew(const Caller& caller, const std::string& id, bool new_deks);
  Status CheckUnique(Transaction& transaction, const Loaded& loaded,
                     const std::vector<api::RegionSpec>& specs);

  Store& store_;
  const Clock& clock_;
  const api::KeySpec escrow_;
  KeyTrials trials_;
};

}  // namespace freehold::control
