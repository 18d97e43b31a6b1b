// Ids in the shapes that AWS gives them, all random. Threads: safe.
#pragma once

#include <string>
#include <string_view>

#include "base/secret_bytes.h"
#include "crypto/uuid.h"

namespace freehold::embedded {

std::string NewMultiRegionId();  // "mrk-" and 32 hex digits
std::string NewMaterialId();     // 64 hex digits
// A prefix ("AKIA", "ASIA", "AIDA", "AROA") and 16 characters of A-Z2-7.
std::string NewUniqueId(std::string_view prefix);
SecretBytes NewSecretAccessKey();     // 40 characters
bool IsKeyId(std::string_view text);  // a UUID, or a multi-Region key's id
bool IsRegion(std::string_view text);
bool IsAccountId(std::string_view text);  // 12 digits

}  // namespace freehold::embedded
