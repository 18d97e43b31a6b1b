// MasterKey: what seals every secret of the embedded KMS on its disk, and authenticates its stores.
//
//   DIR/master.key   32 random bytes, 0600
//
// Errors: kFileCorrupt for one that is damaged, or missing beside a store; kPermissionDenied when
// others may read it. Threads: safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_bytes.h"
#include "crypto/crypto.h"

namespace freehold::embedded {

class MasterKey {
 public:
  // Made when it is not there and `may_be_made`.
  static Result<MasterKey> Open(const std::string& directory, bool may_be_made);

  // `label` says what the secret is and must match to unseal.
  Result<Bytes> Seal(const SecretBytes& secret, std::string_view label) const;
  Result<SecretBytes> Unseal(ByteView sealed, std::string_view label) const;
  Digest256 Tag(std::string_view body) const;

 private:
  SecretBytes sealing_key_;
  SecretBytes checking_key_;
};

// kFileCorrupt, with what a person can do.
Error StoreRefused(const std::string& path, std::string_view why);

}  // namespace freehold::embedded
