// What an answer of Key Vault, Managed HSM or Entra means.
//
// Judged by the service's own codes, the innermost first; by the status only where it alone says
// enough. Whatever is not in a table is ambiguous. Pure. Threads: safe.
// Source: Key Vault REST error codes; Entra's AADSTS error codes; what the services answered.
#pragma once

#include <vector>

#include "kms/service/json_service.h"

namespace freehold::azure {

// `operation`: "unwrapKey", "wrapKey", "get key": a bad parameter is a bad ciphertext to the first.
KmsFailure VaultFailure(std::string_view operation, const JsonAnswer& answer);
// Of a connection that failed: a vault's name goes from DNS with the vault, so a name without an
// address is worth a second look and no outage.
KmsFailure VaultSilence(KmsFailure failure);
KmsFailure EntraFailure(const JsonAnswer& answer);
KmsFailure ManagedIdentityFailure(const JsonAnswer& answer);

std::vector<AnswerRow> Answers();

}  // namespace freehold::azure
