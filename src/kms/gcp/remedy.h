// What would help, as a command of gcloud's that a customer can paste.
//
// Pure. Threads: safe.
#pragma once

#include "kms/key_provider.h"

namespace freehold::gcp {

// "" where nothing is known to help. `account`: who we were; "" = not known. `version`: the one
// that was needed; "" = the primary one.
std::string RemedyFor(const KmsFailure& failure, const GcpKeyName& key, const std::string& account,
                      const std::string& version);

// "gcloud kms keys add-iam-policy-binding ... --role ROLE"
std::string GrantCommand(const GcpKeyName& key, const std::string& account, std::string_view role);

inline constexpr const char* kUseRole = "roles/cloudkms.cryptoKeyEncrypterDecrypter";
inline constexpr const char* kViewRole = "roles/cloudkms.viewer";

}  // namespace freehold::gcp
