// Pkcs11KeyProvider: an AES key of a PKCS#11 token behind the KeyProvider interface.
//
// Wrapped form: version 1 (1 byte) | IV size (1 byte) | IV | ciphertext | tag (16). AES-GCM with
// the canonical encryption context as associated data; a token without CKM_AES_GCM is refused.
// Tokens know no versions of a key: key_version is the key's CKA_ID in hex. Each operation loads
// the module, logs in and finds the key anew: for short-lived processes. Errors: KmsFailure.
// Threads: one caller at a time. Spec: docs/providers/pkcs11.md.
#pragma once

#include "kms/service/surroundings.h"

namespace freehold::pkcs11 {

class Pkcs11KeyProvider : public KeyProvider {
 public:
  explicit Pkcs11KeyProvider(KeyAccess access, Surroundings surroundings = {})
      : access_(std::move(access)), surroundings_(std::move(surroundings)) {}

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  KeyAccess access_;
  Surroundings surroundings_;
};

}  // namespace freehold::pkcs11
