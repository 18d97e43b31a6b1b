// VaultDialect: the HTTP API of HashiCorp Vault and OpenBao, as far as transit and keymgmt need it.
//
// The first start makes a root token and an unseal key (DIR/vault/), and nothing else, as a real
// Vault does. Spec: Vault API documentation. Threads: Handle() from any.
#pragma once

#include <memory>

#include "kms/embedded/dialect.h"
#include "kms/embedded/state_store.h"
#include "kms/embedded/vault/vault_state.h"

namespace freehold::embedded::vault {

// `master` outlives it. Its store is DIRECTORY/vault.store. `exchange` is where keymgmt's keys go.
Result<std::unique_ptr<Dialect>> NewVaultDialect(const std::string& directory,
                                                 const MasterKey& master, Exchange exchange,
                                                 WallTime now);

}  // namespace freehold::embedded::vault
