#include "control/fleet.h"

#include <algorithm>
#include <vector>

#include "control/cmek.h"
#include "control/nodes.h"

namespace freehold::control {
namespace {

using States = std::map<std::string, std::vector<NodeState>>;  // by cluster

// What agents say of themselves is no label as it stands: that could be anything, and ever more.
std::string CustodyLabel(const std::string& custody) {
  if (custody.empty()) return "none";
  for (const char* known : {"open", "grace", "sealing", "sealed", "opening"}) {
    if (custody == known) return custody;
  }
  return "other";
}

Status CountNodes(Transaction& transaction, const States& states, WallTime now, Fleet& fleet) {
  std::map<std::string, const NodeState*> by_node;
  for (const auto& [cluster, some] : states) {
    for (const NodeState& state : some) by_node[state.node] = &state;
  }
  for (const Record& record : TRY(transaction.ChangedSince(Kind::kNode, 0))) {
    const auto node = TRY(FromRecord<Node>(record));
    const auto said = by_node.find(node.id);
    const NodeState* state = said == by_node.end() ? nullptr : said->second;
    ++fleet.nodes[CustodyLabel(state == nullptr ? "" : state->custody)];
    if (state != nullptr && state->connected) {
      ++fleet.connected;
      continue;
    }
    const WallTime last = state == nullptr ? node.joined_at : state->reported_at;
    fleet.longest_silence = std::max(fleet.longest_silence, now - last);
  }
  return {};
}

}  // namespace

Result<Fleet> CountFleet(Transaction& transaction, WallTime now) {
  Fleet fleet;
  for (auto i = 0; i <= static_cast<int>(api::CmekStatus::kRevokeFailed); ++i) {
    fleet.clusters[std::string(NameOf(static_cast<api::CmekStatus>(i)))] = 0;
  }
  States states;
  for (const Record& record : TRY(transaction.ChangedSince(Kind::kNodeState, 0))) {
    auto state = TRY(FromRecord<NodeState>(record));
    state.connected = IsConnected(state, now);
    states[record.owner].push_back(std::move(state));
  }
  for (const Record& record : TRY(transaction.ChangedSince(Kind::kCluster, 0))) {
    const auto cluster = TRY(FromRecord<Cluster>(record));
    ++fleet.clusters[std::string(NameOf(InfoOf(cluster, states[cluster.id]).status))];
  }
  TRY(CountNodes(transaction, states, now, fleet));
  fleet.messages = TRY(transaction.ChangedSince(Kind::kMessage, 0)).size();
  return fleet;
}

}  // namespace freehold::control
