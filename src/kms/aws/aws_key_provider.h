// AwsKeyProvider: a customer's AWS KMS key behind the KeyProvider interface.
//
// Every operation assumes the customer's role afresh, so that withdrawn trust shows at the next
// one. When our own credentials turn out stale they are fetched again, once, and the operation is
// judged by the second answer. A refusal carries a remedy: the policy statement that is missing.
// Errors: KmsFailure. Threads: one caller at a time. Spec: docs/providers/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kms/aws/aws_kms_client.h"
#include "kms/aws/aws_service.h"
#include "kms/key_provider.h"

namespace freehold::aws {

class AwsKeyProvider : public KeyProvider {
 public:
  explicit AwsKeyProvider(KeyAccess access, Surroundings surroundings = {});

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  // Our own identity, or the customer's role when there is one.
  struct Identity {
    AwsCredentials credentials;
    std::string arn;  // "" = our own, not asked for
  };

  template <typename T>
  KmsResult<T> WithSession(const std::function<KmsResult<T>(AwsKmsClient&)>& operation);
  KmsResult<Identity> TakeIdentity(const AwsConfig& config);
  KmsResult<std::string> IdentifyOnce();
  // The failure with what would help, when it is a denial.
  KmsFailure WithRemedy(KmsFailure failure) const;

  KeyAccess access_;
  Surroundings surroundings_;
};

class AwsKeyProviderFactory : public KeyProviderFactory {
 public:
  explicit AwsKeyProviderFactory(Surroundings surroundings = {})
      : surroundings_(std::move(surroundings)) {}
  std::unique_ptr<KeyProvider> NewProvider(const KeyAccess& access) override {
    return std::make_unique<AwsKeyProvider>(access, surroundings_);
  }

 private:
  Surroundings surroundings_;
};

}  // namespace freehold::aws
