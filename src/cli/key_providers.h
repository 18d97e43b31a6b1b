// KeyProviders: the provider for each kind of KMS, chosen by the key's URI.
#pragma once

#include <vector>

#include "kms/key_provider.h"

namespace freehold::cli {

class KeyProviders : public KeyProviderFactory {
 public:
  std::unique_ptr<KeyProvider> NewProvider(const KeyAccess& access) override;
};

// Every provider's table of what its service's answers mean.
std::vector<AnswerRow> AllAnswers();

}  // namespace freehold::cli
