// Accounts of the embedded KMS and the files that hand their credentials to AWS's own tools.
//
//   DIR/credentials  AWS shared credentials file, 0600, one profile per account
//   DIR/config       AWS configuration file with the region and the endpoint
//
// Threads: one at a time. Errors: the disk's.
// Spec: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
#pragma once

#include <string>

#include "kms/embedded/key_store.h"

namespace freehold::embedded {

inline constexpr const char* kCustomerAccount = "111122223333";
inline constexpr const char* kOperatorAccount = "444455556666";

// An account with an access key that has every permission in it.
Status AddAccount(KeyStore& store, const std::string& account, const std::string& profile,
                  WallTime now);

Status WriteCredentials(const KeyStore& store);
Status WriteConfig(const KeyStore& store, const std::string& url);

}  // namespace freehold::embedded
