// Login: where our token for a Vault comes from.
//
// FREEHOLD_VAULT_AUTH says how; without it, what is configured, in this order:
//  - token: VAULT_TOKEN, or the file FREEHOLD_VAULT_TOKEN_FILE; renewed while it is renewable.
//  - approle: VAULT_ROLE_ID, and VAULT_SECRET_ID or the file FREEHOLD_VAULT_SECRET_ID_FILE.
//  - jwt: the file FREEHOLD_VAULT_JWT_FILE; the role is the principal.
//  - kubernetes: the same, by default with the service account's token.
// FREEHOLD_VAULT_AUTH_MOUNT is where the method is mounted, if not under its own name.
//
// All but `token` log in afresh for every operation and give the token back afterwards, so that a
// role that was withdrawn shows at the next one. Errors: KmsFailure. Threads: one caller at a time.
#pragma once

#include "kms/vault/vault_client.h"

namespace freehold::vault {

struct Session {
  SecretBytes token;
  bool is_ours_to_revoke = false;
  // Vault has just said that the token is good. A token that may neither renew nor look at itself
  // leaves that open: a refusal then says nothing about the customer.
  bool proven = true;
};

KmsResult<Session> LogIn(const VaultClient& client, const KeyAccess& access,
                         const Surroundings& surroundings);

// Best effort, a second at most: a service token that nobody needs any more should not wait for its
// end, and the answer that it was for should not wait for that.
void LogOut(const VaultClient& client, const Session& session, const std::string& name_space);

// Where logins go: VAULT_NAMESPACE, or the key's.
std::string LoginNamespace(const KeyAccess& access, const Surroundings& surroundings);

}  // namespace freehold::vault
