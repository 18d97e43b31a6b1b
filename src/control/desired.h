// What is wanted of a node, from what is kept of it and its cluster: rules without I/O; and what a
// cluster's state becomes from what its nodes say.
//
// Threads: values. Spec: docs/api/agents.md.
#pragma once

#include <vector>

#include "control/model.h"

namespace freehold::control {

// `cluster`: the node's, or null. Epoch, revision and trials are the caller's to fill in.
api::DesiredState DesiredOf(const Node& node, const Cluster* cluster, const api::KeySpec& escrow);

// No node of it is to do anything else than of `other`, which has the same regions.
bool WantTheSame(const Cluster& cluster, const Cluster& other, const api::KeySpec& escrow);

// Takes in what all of a cluster's nodes say: keys that are confirmed or failed, a service that has
// started or stopped. True when that changed something.
bool TakeInReports(Cluster& cluster, const std::vector<NodeState>& nodes, WallTime now);

}  // namespace freehold::control
