// SqliteStore: the control plane's store in one file.
//
// Write-ahead log, every commit synced. Changes queue on one connection and share commits; reads
// have their own, and do not wait for a change. Migrations are numbered and run when the file is
// opened; a file of a newer release is refused. Errors: kUnsupportedVersion, kNotReady when other
// changes, here or in another program, take longer than the patience, kIo. Threads: safe. Spec:
// control/store.h.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "control/store.h"

namespace freehold::store {

// Opens the file, or makes it with mode 0600. A change waits for others as long as `patience`.
Result<std::unique_ptr<control::Store>> OpenSqliteStore(
    const std::string& path, std::chrono::milliseconds patience = std::chrono::seconds(3));

}  // namespace freehold::store
