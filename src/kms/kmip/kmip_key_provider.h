// KmipKeyProvider: an AES key in a KMIP server behind the KeyProvider interface.
//
// Wrapped form: mode (1 byte) | IV size (1) | IV | tag size (1) | tag | ciphertext. With AES-GCM
// the canonical encryption context is associated data; a server without that gets AES-CTR, and the
// context sealed into what it encrypts (payload.h). Keys have no versions: key_version is the
// Unique Identifier. Each operation connects anew, so that a certificate that was revoked shows at
// the next one. Errors: KmsFailure. Threads: one caller at a time. Spec: docs/providers/kmip.md.
#pragma once

#include <functional>

#include "kms/kmip/server_key.h"

namespace freehold::kmip {

class KmipKeyProvider : public KeyProvider {
 public:
  explicit KmipKeyProvider(KeyAccess access, Surroundings surroundings = {})
      : access_(std::move(access)), surroundings_(std::move(surroundings)) {}

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  // `version`: nothing = the newest that both speak.
  template <typename T>
  KmsResult<T> WithKey(std::optional<ProtocolVersion> version,
                       const std::function<KmsResult<T>(ServerKey&, ProtocolVersion)>& work);
  KmsFailure WithRemedy(KmsFailure failure) const;

  KeyAccess access_;
  Surroundings surroundings_;
};

}  // namespace freehold::kmip
