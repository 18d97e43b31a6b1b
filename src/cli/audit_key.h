// The key by which a server signs the heads of its audit log. Threads: safe, and processes too.
#pragma once

#include <string>

#include "crypto/signing_key.h"

namespace freehold::cli {

// DIRECTORY/audit.key, mode 0600; made the first time. Servers over one store have the same one.
Result<SigningKey> LoadAuditKey(const std::string& directory);

}  // namespace freehold::cli
