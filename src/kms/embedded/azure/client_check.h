// Is an application who it says it is: by a secret, or by an assertion of a registered certificate.
//
// Pure but for the master key that unseals. Threads: safe.
// Source: RFC 6749 2.3.1, RFC 7523 3; Entra's AADSTS error codes.
#pragma once

#include <optional>

#include "kms/embedded/azure/state.h"
#include "kms/embedded/master_key.h"

namespace freehold::embedded::azure {

// What Entra's token endpoint says instead of giving a token.
struct Refusal {
  int status = 400;
  std::string error;  // "invalid_client"
  int number = 0;     // AADSTS...
  std::string words;
};

// What a client shows; empty: not sent.
struct ClientProof {
  std::string secret;
  std::string assertion_type;
  std::string assertion;
};

std::optional<Refusal> CheckClient(const Application& application, const ClientProof& proof,
                                   const std::string& token_url, WallTime now,
                                   const MasterKey& master);

// The secret of the application's first credential that has one; for credential files.
Result<SecretBytes> SecretOf(const Application& application, const MasterKey& master);
Result<Credential> SealSecret(const SecretBytes& secret, WallTime expires, const MasterKey& master);

}  // namespace freehold::embedded::azure
