// PostgresqlStore: the control plane's store in PostgreSQL, or what speaks its protocol.
//
// Any number of servers may have it open. Transactions are serializable and tried again when the
// database asks for it, or is lost before they begin to commit; one that is lost while it commits
// is asked for afterwards. A change, with all its attempts, takes at most three times the patience.
// Errors: kNotReady when nothing was changed for want of a database, or of its time; kTimeout when
// the database was lost while it committed and it cannot be said what came of it;
// kUnsupportedVersion; as of Session::Run. Threads: safe. Spec: control/store.h, decision 16.
#pragma once

#include <chrono>
#include <memory>

#include "control/store.h"
#include "store/postgresql/database_url.h"

namespace freehold::store {

// Connects once, and brings the tables to this release's version. A transaction waits for others,
// and for a database to come back, as long as `patience`.
Result<std::unique_ptr<control::Store>> OpenPostgresqlStore(
    const DatabaseUrl& url, std::chrono::milliseconds patience = std::chrono::seconds(8));

}  // namespace freehold::store
