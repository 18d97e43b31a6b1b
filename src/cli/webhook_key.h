// The servers' key for webhooks: every contact's signing secret is derived from it.
//
// DIR/webhooks.key, 32 bytes in hex, mode 0600; made at the first start. Servers over one store
// share it. Errors: kIo and kin. Threads: main only. Spec: docs/security.md.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold::cli {

Result<SecretBytes> LoadWebhookKey(const std::string& directory);

}  // namespace freehold::cli
