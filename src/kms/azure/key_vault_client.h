// KeyVaultClient: requests to one vault with one token.
//
// Refuses to send a token of another audience. Knows paths and judges failures; what a good answer
// says is its caller's. Errors: KmsFailure. Threads: one caller at a time.
// Spec: Key Vault REST API 7.4, operations on keys.
#pragma once

#include "kms/azure/credentials.h"

namespace freehold::azure {

class KeyVaultClient {
 public:
  // With a token fetched for this.
  static KmsResult<KeyVaultClient> Open(const KeyAccess& access, const Surroundings& surroundings);

  // `path`: "keys/orders/1f.../unwrapkey". `body` null: GET.
  KmsResult<boost::json::object> Ask(std::string_view operation, const std::string& path,
                                     const boost::json::object* body) const;

  const AccessToken& token() const { return token_; }

 private:
  KeyVaultClient(VaultPlace place, AccessToken token, const Surroundings& surroundings)
      : place_(std::move(place)), token_(std::move(token)), surroundings_(surroundings) {}

  VaultPlace place_;
  AccessToken token_;
  const Surroundings& surroundings_;
};

}  // namespace freehold::azure
