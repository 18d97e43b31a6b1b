#include "cli/key_providers.h"

#include "kms/aws/aws_key_provider.h"
#include "kms/aws/classify.h"
#include "kms/gcp/classify.h"
#include "kms/gcp/gcp_key_provider.h"
#include "kms/vault/classify.h"
#include "kms/vault/vault_key_provider.h"

namespace freehold::cli {
namespace {

// Stands for a KMS that this build cannot talk to.
class NoProvider : public KeyProvider {
 public:
  explicit NoProvider(KmsType type) : type_(type) {}
  KmsResult<WrappedKey> Wrap(const SecretBytes&, const EncryptionContext&) override {
    return Refusal();
  }
  KmsResult<SecretBytes> Unwrap(const WrappedKey&, const EncryptionContext&) override {
    return Refusal();
  }
  KmsResult<KeyFacts> Describe() override { return Refusal(); }

 private:
  tl::unexpected<KmsFailure> Refusal() const {
    return tl::unexpected(OwnFailure(KmsMeaning::kOurConfiguration, std::string(NameOf(type_)),
                                     "this build has no client for it"));
  }
  KmsType type_;
};

}  // namespace

std::unique_ptr<KeyProvider> KeyProviders::NewProvider(const KeyAccess& access) {
  switch (access.uri.type()) {
    case KmsType::kAwsKms:
      return std::make_unique<aws::AwsKeyProvider>(access);
    case KmsType::kGcpCloudKms:
      return std::make_unique<gcp::GcpKeyProvider>(access);
    case KmsType::kHashicorpVault:
      return std::make_unique<vault::VaultKeyProvider>(access);
    case KmsType::kAzureKeyVault:
    case KmsType::kPkcs11:
      break;
  }
  return std::make_unique<NoProvider>(access.uri.type());
}

std::vector<AnswerRow> AllAnswers() {
  std::vector<AnswerRow> all;
  for (const auto& rows : {aws::Answers(), gcp::Answers(), vault::Answers()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace freehold::cli
