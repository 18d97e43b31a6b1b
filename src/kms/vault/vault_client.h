// VaultClient: requests to one Vault, in one namespace, with or without a token.
//
// Knows paths and headers, not what answers mean. Transient failures are tried again as KmsTimeouts
// says. Errors: KmsFailure for a connection that failed. Threads: one caller at a time.
#pragma once

#include "kms/service/json_service.h"

namespace freehold::vault {

class VaultClient {
 public:
  // kOurConfiguration unless VAULT_ADDR names the Vault of the key: nobody else gets our token.
  static KmsResult<VaultClient> For(const VaultKeyPath& key, const Surroundings& surroundings);

  // One request below /v1/. `body` null: GET.
  KmsResult<JsonAnswer> Ask(std::string_view operation, const std::string& path,
                            const boost::json::object* body, const SecretBytes& token,
                            const std::string& name_space) const;

  // For what is not worth waiting for: one try, a second at most.
  VaultClient Hurried() const;

 private:
  VaultClient(std::string url, std::string ca_bundle, Surroundings surroundings)
      : url_(std::move(url)),
        ca_bundle_(std::move(ca_bundle)),
        surroundings_(std::move(surroundings)) {}

  std::string url_;
  std::string ca_bundle_;
  Surroundings surroundings_;
};

}  // namespace freehold::vault
