#include "control/desired.h"

#include <algorithm>

#include "control/cmek.h"

namespace freehold::control {
namespace {

const Region* RegionOf(const Cluster& cluster, const std::string& name) {
  const auto found = std::find_if(cluster.regions.begin(), cluster.regions.end(),
                                  [&](const Region& region) { return region.name == name; });
  return found == cluster.regions.end() ? nullptr : &*found;
}

api::NodeGoal GoalOf(const Cluster& cluster) {
  if (cluster.revoked.has_value()) return api::NodeGoal::kRevoked;
  switch (cluster.state) {
    case ClusterState::kStopping:
    case ClusterState::kStopped:
    case ClusterState::kDeleting:
      return api::NodeGoal::kStopped;
    default:
      return api::NodeGoal::kOpen;
  }
}

bool Runs(const NodeState& node) { return node.custody == "open" && node.database == "ready"; }

bool HasStopped(const NodeState& node) {
  return node.database != "ready" && (node.custody.empty() || node.custody == "sealed");
}

// As many nodes as the cluster is to have, and every one of them does.
bool AllDo(const Cluster& cluster, const std::vector<NodeState>& nodes,
           bool (*does)(const NodeState&)) {
  for (const Region& region : cluster.regions) {
    const auto here = NodesIn(region, nodes);
    if (here.size() < region.node_count || !std::all_of(here.begin(), here.end(), does)) {
      return false;
    }
  }
  return true;
}

}  // namespace

api::DesiredState DesiredOf(const Node& node, const Cluster* cluster, const api::KeySpec& escrow) {
  api::DesiredState state;
  state.node = node.id;
  state.region = node.region;
  state.fencing = node.fencing;
  if (!escrow.uri.empty()) state.escrow_uri = api::CanonicalUri(escrow);
  if (cluster == nullptr) return state;
  state.organization = cluster->organization;
  state.cluster = cluster->id;
  state.cluster_name = cluster->name;
  state.goal = GoalOf(*cluster);
  state.rechecks = cluster->rechecks;
  state.custody = cluster->terms;
  state.opens = cluster->opens;
  const Region* region = RegionOf(*cluster, node.region);
  if (region == nullptr) {
    state.goal = api::NodeGoal::kStopped;
  } else if (region->leaves_for.has_value()) {
    state.key = region->leaves_for;
  } else if (!region->keys.empty()) {
    state.key = region->keys.front().spec;
    state.rewraps = region->rewraps;
    state.rekeys = region->rekeys;
    state.reencrypts = region->reencrypts;
    state.customers = true;
  } else if (!escrow.uri.empty()) {
    state.key = escrow;
  }
  return state;
}

bool WantTheSame(const Cluster& cluster, const Cluster& other, const api::KeySpec& escrow) {
  return std::all_of(cluster.regions.begin(), cluster.regions.end(), [&](const Region& region) {
    Node node;
    node.region = region.name;
    return DesiredOf(node, &cluster, escrow) == DesiredOf(node, &other, escrow);
  });
}

bool TakeInReports(Cluster& cluster, const std::vector<NodeState>& nodes, WallTime now) {
  bool changed = false;
  for (Region& region : cluster.regions) {
    changed = ConfirmKeys(region, NodesIn(region, nodes), now) || changed;
  }
  const ClusterState before = cluster.state;
  if (before == ClusterState::kCreating || before == ClusterState::kStarting) {
    if (AllDo(cluster, nodes, Runs)) cluster.state = ClusterState::kRunning;
  } else if (before == ClusterState::kStopping && AllDo(cluster, nodes, HasStopped)) {
    cluster.state = ClusterState::kStopped;
  }
  if (cluster.state != before) changed = true;
  if (changed) cluster.updated_at = now;
  return changed;
}

}  // namespace freehold::control
