// Credentials: where our token for a vault comes from, in the order of Microsoft's own libraries.
//
//   secret            AZURE_CLIENT_ID, AZURE_CLIENT_SECRET
//   certificate       AZURE_CLIENT_ID, AZURE_CLIENT_CERTIFICATE_PATH: one PEM file with the
//                     certificate and its unencrypted RSA key
//   federated token   AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE (workload identity)
//   managed identity  IDENTITY_ENDPOINT and IDENTITY_HEADER, else the instance metadata service
//                     (elsewhere with AZURE_POD_IDENTITY_AUTHORITY_HOST); AZURE_CLIENT_ID picks
//                     one of several
//
// The tenant is the principal of the access (the customer's), else AZURE_TENANT_ID. Every token is
// fetched afresh, so that a consent that was withdrawn shows at the next operation.
// Errors: KmsFailure. Threads: safe. Spec: RFC 6749 4.4, RFC 7521, RFC 7523; Microsoft's identity
// platform, "client credentials flow", "certificate credentials", "managed identities".
#pragma once

#include "kms/azure/vault_place.h"

namespace freehold::azure {

struct AccessToken {
  SecretBytes text;
  std::string audience;  // the only service that may see it
};

KmsResult<AccessToken> FetchToken(const VaultPlace& place, const KeyAccess& access,
                                  const Surroundings& surroundings);

// The identity of this machine; the answer to FetchToken where nothing else is configured.
KmsResult<AccessToken> FetchManagedIdentityToken(const VaultPlace& place,
                                                 const Surroundings& surroundings);

// The token in an answer, wiped where it was.
KmsResult<AccessToken> TokenIn(std::string_view operation, JsonAnswer& answer,
                               const VaultPlace& place);

}  // namespace freehold::azure
