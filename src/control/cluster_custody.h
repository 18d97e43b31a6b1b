// ClusterCustody: a cluster's custody terms as its customer sees and changes them.
//
// The rules are custody_rules.h's; this loads, checks who asks, stores and notes. Errors:
// kNotFound, kForbidden, kInvalidArgument, kPrecondition. Threads: safe. Spec: docs/api/custody.md.
#pragma once

#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

struct CustodyView {
  Cluster cluster;
  api::CustodyBounds bounds;  // of its organization
  std::vector<NodeState> nodes;
  std::string restore_warning;  // restorers.h; "" = none
};

class ClusterCustody {
 public:
  ClusterCustody(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  Result<CustodyView> Get(const Caller& caller, const std::string& id);
  Result<CustodyView> Change(const Caller& caller, const std::string& id,
                             const api::CustodyChange& change);

 private:
  struct Loaded {
    CustodyView view;
    Organization organization;
    std::optional<Project> project;
  };
  Result<Loaded> LoadFor(Transaction& transaction, const Caller& caller, const std::string& id,
                         Permission permission);

  Store& store_;
  const Clock& clock_;
};

}  // namespace freehold::control
