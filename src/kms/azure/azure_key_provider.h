// AzureKeyProvider: a key of Azure Key Vault or Managed HSM behind the KeyProvider interface.
//
// Wraps with RSA-OAEP-256, or A256KW where the key is symmetric (Managed HSM). A URI with a version
// uses that one only; one without uses the newest to wrap, and to unwrap exactly the version that
// wrapped. The encryption context's digest is inside what is wrapped (payload.h). A refusal carries
// a remedy: the az command that adds what is missing. Errors: KmsFailure. Threads: one caller at a
// time. Spec: docs/providers/azure.md.
#pragma once

#include "kms/azure/key_vault_client.h"

namespace freehold::azure {

class AzureKeyProvider : public KeyProvider {
 public:
  explicit AzureKeyProvider(KeyAccess access, Surroundings surroundings = {})
      : access_(std::move(access)), surroundings_(std::move(surroundings)) {}

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  template <typename T>
  KmsResult<T> WithClient(const std::function<KmsResult<T>(const KeyVaultClient&)>& work);
  KmsResult<WrappedKey> WrapOnce(const KeyVaultClient& client, const SecretBytes& payload) const;
  KmsResult<SecretBytes> UnwrapOnce(const KeyVaultClient& client, const WrappedKey& wrapped) const;
  KmsResult<KeyFacts> DescribeOnce(const KeyVaultClient& client) const;
  // The version in an answer's kid, or kWrongKey when it is not one of our key's.
  KmsResult<std::string> VersionIn(std::string_view operation,
                                   const boost::json::object& answer) const;
  std::string KeyPath() const;  // "keys/orders", with the URI's version if it has one

  KeyAccess access_;
  Surroundings surroundings_;
};

}  // namespace freehold::azure
