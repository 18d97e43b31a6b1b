// VaultKeyProvider: a key of the transit engine of Vault or OpenBao behind the KeyProvider
// interface.
//
// The encryption context goes along as associated data, in its canonical form; key_version is the
// number that the ciphertext begins with. A refusal carries a remedy: the line that the policy
// lacks. Errors: KmsFailure. Threads: one caller at a time. Spec: docs/providers/vault.md.
#pragma once

#include "kms/vault/login.h"

namespace freehold::vault {

class VaultKeyProvider : public KeyProvider {
 public:
  explicit VaultKeyProvider(KeyAccess access, Surroundings surroundings = {})
      : access_(std::move(access)), surroundings_(std::move(surroundings)) {}

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  // A request with a session of its own. `path` is below the transit mount, but for Identify().
  KmsResult<boost::json::object> Call(std::string_view operation, const std::string& path,
                                      const boost::json::object* body);
  KmsResult<boost::json::object> CallOnce(std::string_view operation, const std::string& path,
                                          const boost::json::object* body);
  std::string TransitPath(std::string_view operation) const;  // "transit/decrypt/k"
  KmsFailure WithRemedy(KmsFailure failure) const;

  KeyAccess access_;
  Surroundings surroundings_;
};

}  // namespace freehold::vault
