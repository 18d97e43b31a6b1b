// A secret in a file of its own: a token, a PIN, a PEM.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

// Without the line break that editors add; what was read is wiped. Errors: the file's, and
// kInvalidArgument when it is empty. At most 64 KiB.
Result<SecretBytes> ReadSecretFile(const std::string& path);

}  // namespace freehold
