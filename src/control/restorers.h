// Restorers: who could give back what is revoked, at once or after the restore wait.
//
// A service account without an API key can do nothing, so what counts begins with the key: it is
// told of when it is made, and a revocation that no key of another account could take back says so.
// The rule itself is cmek.h's. Errors: as Store. Threads: all are those of the transaction.
// Spec: docs/api/README.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

// Who calls with this key.
Caller CallerOf(const ServiceAccount& account, const ApiKey& key, Duration restore_wait);

// A cluster or a project whose keys were taken, with all that has to let them be restored.
struct Revoked {
  std::string name;  // "the cluster orders"
  Place at;
  Revocation revocation;
  std::optional<Project> project;  // that it is in, revoked or not
};
// Of the organization, for who has these roles: none for who could never restore anything. What
// came with its project's is said by that.
Result<std::vector<Revoked>> LoadRevoked(Transaction& transaction, const std::string& organization,
                                         const std::vector<Grant>& grants);

// Of an account or an API key that is made now: never before a revocation that it follows, wherever
// the clock was set back to.
WallTime CreationTime(const std::vector<Revoked>& revoked, WallTime now);

// Tells the security contacts when the key will be able to restore some of that.
Status TellAwaited(Transaction& transaction, const Caller& maker, const ServiceAccount& account,
                   const ApiKey& key, const std::vector<Revoked>& all_revoked, WallTime now);

// "", or one sentence: no other account could restore at once what is revoked, or what the caller
// would revoke. Where there is nothing that could be revoked, and to who may not: "".
Result<std::string> RestoreWarning(Transaction& transaction, const Cluster& cluster,
                                   const std::optional<Project>& project, const Caller& caller,
                                   WallTime now);
Result<std::string> RestoreWarning(Transaction& transaction, const Project& project,
                                   const Caller& caller, WallTime now);

}  // namespace freehold::control
