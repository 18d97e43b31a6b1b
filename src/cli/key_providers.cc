#include "cli/key_providers.h"

#include "kms/aws/aws_key_provider.h"
#include "kms/aws/classify.h"
#include "kms/azure/azure_key_provider.h"
#include "kms/azure/classify.h"
#include "kms/gcp/classify.h"
#include "kms/gcp/gcp_key_provider.h"
#include "kms/kmip/classify.h"
#include "kms/kmip/kmip_key_provider.h"
#include "kms/pkcs11/classify.h"
#include "kms/pkcs11/pkcs11_key_provider.h"
#include "kms/vault/classify.h"
#include "kms/vault/vault_key_provider.h"

namespace freehold::cli {

std::unique_ptr<KeyProvider> KeyProviders::NewProvider(const KeyAccess& access) {
  switch (access.uri.type()) {
    case KmsType::kGcpCloudKms:
      return std::make_unique<gcp::GcpKeyProvider>(access);
    case KmsType::kAzureKeyVault:
      return std::make_unique<azure::AzureKeyProvider>(access);
    case KmsType::kHashicorpVault:
      return std::make_unique<vault::VaultKeyProvider>(access);
    case KmsType::kPkcs11:
      return std::make_unique<pkcs11::Pkcs11KeyProvider>(access);
    case KmsType::kKmip:
      return std::make_unique<kmip::KmipKeyProvider>(access);
    case KmsType::kAwsKms:
      break;
  }
  return std::make_unique<aws::AwsKeyProvider>(access);
}

std::vector<AnswerRow> AllAnswers() {
  std::vector<AnswerRow> all;
  for (const auto& rows : {aws::Answers(), gcp::Answers(), azure::Answers(), vault::Answers(),
                           pkcs11::Answers(), kmip::Answers()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace freehold::cli
