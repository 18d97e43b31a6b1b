// What is read off a cluster: its present keys, all that ever stood over it, and whether its nodes
// are there. Rules without I/O. Threads: values.
#pragma once

#include <boost/json/fwd.hpp>
#include <vector>

#include "control/model.h"

namespace freehold::control {

// The newest key of each region that has one.
std::vector<api::RegionSpec> PresentKeys(const Cluster& cluster);

// Every region that is to do something has a node to do it; else kNotReady.
Status CheckReady(const Cluster& cluster, const std::vector<NodeState>& nodes,
                  const std::vector<api::RegionSpec>& specs);

// Every key that ever stood over the cluster, with the versions that wrapped a KEK: its data is
// erased for good, everywhere, when all of these are destroyed.
boost::json::array KeysOver(const Cluster& cluster);

}  // namespace freehold::control
