// What nodes know and the store does not: it was restored from a backup, or lost and made anew.
//
// Rules over what nodes report; whether to believe a node is nodes.h's. Errors: those of the store.
// Threads: those of the transaction. Spec: docs/api/agents.md.
#pragma once

#include <string>

#include "control/model.h"

namespace freehold::control {

// A revoke and a key that the cluster has forgotten; true when there was something. A key that the
// region knows, or the operator's own, is none.
Result<bool> TakeOver(Cluster& cluster, const api::NodeReport& report, const std::string& region,
                      const api::KeySpec& escrow, WallTime now);

// A cluster that a node tells of, or the part of it in this node's region, and its organization.
Status LearnCluster(Transaction& transaction, const api::NodeReport& report,
                    const api::KeySpec& escrow, WallTime now);

}  // namespace freehold::control
