// Who could still restore what is revoked: the last who can is not taken away.
//
// Rules over accounts and clusters of one organization; they change nothing. Errors: kPrecondition
// names the cluster, and those of the store. Threads: those of the transaction.
// Spec: docs/api/README.md, "Who may".
#pragma once

#include <string>

#include "control/model.h"
#include "control/store.h"

namespace freehold::control {

// Refuses to remove a whole account (`key` = ""), or one of its API keys, when nobody else could
// then restore some revoked cluster, and it can: whoever has revoked, or holds a stolen key that
// has, would lock out the others for ever.
Status CheckNotLastToRestore(Transaction& transaction, const ServiceAccount& account,
                             const std::string& key);

}  // namespace freehold::control
