// GcpKeyProvider: a key of Google Cloud KMS behind the KeyProvider interface.
//
// The encryption context goes along as additional authenticated data, in its canonical form;
// key_version is the number of the version that wrapped. "Not enabled" counts as denied only when a
// look at the version, or the KMS's own sentence where looking is not allowed, names its state.
// A refusal carries a remedy: the gcloud command that undoes it.
// Errors: KmsFailure. Threads: one caller at a time. Spec: docs/providers/gcp.md.
#pragma once

#include "kms/gcp/gcp_kms_client.h"

namespace freehold::gcp {

class GcpKeyProvider : public KeyProvider {
 public:
  explicit GcpKeyProvider(KeyAccess access, Surroundings surroundings = {})
      : access_(std::move(access)), surroundings_(std::move(surroundings)) {}

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  // `use` with a token of its own; a failure judged again if need be, with its remedy.
  template <typename T>
  KmsResult<T> With(const std::string& version,
                    const std::function<KmsResult<T>(const GcpKmsClient&)>& use);
  KmsResult<KeyFacts> DescribeUnseen(const GcpKmsClient& client, const KmsFailure& failure) const;

  KeyAccess access_;
  Surroundings surroundings_;
};

}  // namespace freehold::gcp
