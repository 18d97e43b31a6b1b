// Which operation a request asks for, by its method and path. Pure. Threads: safe.
#pragma once

#include "kms/embedded/azure/vault_call.h"
#include "net/http.h"

namespace freehold::embedded::azure {

struct VaultOperation {
  std::string_view name;    // as Key Vault's own log has it: "KeyUnwrap"
  std::string_view action;  // what a role must allow
  bool read_only;
  VaultResult (*run)(VaultCall&);
};

struct Route {
  const VaultOperation* operation = nullptr;  // null: not about a vault
  std::string entra;                          // "GetToken", ...; "" = not Entra's
  std::string tenant;
  std::string key;
  std::string version;
};

// Nothing when the request is not Azure's. A vault's path that nobody knows has neither.
std::optional<Route> RouteOf(const HttpRequest& request);

}  // namespace freehold::embedded::azure
