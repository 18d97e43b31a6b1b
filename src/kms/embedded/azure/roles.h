// Roles: who may do what with which key of a vault.
//
// The four built-in roles for keys, with the data actions that Azure gives them, on a vault or on
// one key. Pure. Threads: safe. Source: Azure built-in roles for Key Vault data plane operations.
#pragma once

#include <string>
#include <string_view>

#include "kms/embedded/azure/azure_failure.h"
#include "kms/embedded/azure/state.h"

namespace freehold::embedded::azure {

// Who a token says it is.
struct Caller {
  std::string application;
  std::string object_id;
  std::string tenant;
};

bool IsRole(std::string_view name);

// `action`: "keys/read", "keys/wrap/action", as behind Microsoft.KeyVault/vaults/. `key`: lower
// case, "" for what is about the vault.
AzureStatus Authorize(const State& state, const Caller& caller, const Vault& vault,
                      const std::string& key, std::string_view action);

}  // namespace freehold::embedded::azure
