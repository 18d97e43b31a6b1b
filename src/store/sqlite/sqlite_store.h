// SqliteStore: the control plane's store in one file.
//
// Write-ahead log, every commit synced; readers do not wait for a writer. Migrations are numbered
// and run when the file is opened; a file of a newer release is refused.
// Errors: kUnsupportedVersion, kNotReady when another program writes for long, kIo. Threads: safe.
// Spec: control/store.h.
#pragma once

#include <memory>
#include <string>

#include "control/store.h"

namespace freehold::store {

// Opens the file, or makes it with mode 0600.
Result<std::unique_ptr<control::Store>> OpenSqliteStore(const std::string& path);

}  // namespace freehold::store
