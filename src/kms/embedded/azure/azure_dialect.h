// Azure's dialect of the embedded KMS: Key Vault and Managed HSM keys, and Entra's tokens.
//
// Which vault is meant says the Host header; an address of this machine means the default vault.
// State is DIR/azure-store; clients' settings are DIR/azure/customer.env and operator.env (0600).
// Errors: every request gets an answer of Azure's. Threads: Handle() from any.
// Spec: Key Vault REST API 7.4; Microsoft identity platform.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "kms/embedded/dialect.h"
#include "kms/embedded/master_key.h"

namespace freehold::embedded::azure {

// `master` and `clock` outlive it. The first start makes tenants, applications and a vault.
Result<std::unique_ptr<Dialect>> OpenAzureDialect(const std::string& directory,
                                                  const MasterKey& master, const Clock& clock);

}  // namespace freehold::embedded::azure
