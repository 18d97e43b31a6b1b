#include "kms/embedded/azure/roles.h"

#include <algorithm>
#include <array>

#include "fmt/format.h"

namespace freehold::embedded::azure {
namespace {

struct Grant {
  std::string_view role;
  std::string_view action;  // "keys/*": all that begin so
};

constexpr std::array kGrants = {
    Grant{"Key Vault Crypto Officer", "keys/*"},
    Grant{"Key Vault Crypto Officer", "keyrotationpolicies/*"},
    Grant{"Key Vault Crypto Service Encryption User", "keys/read"},
    Grant{"Key Vault Crypto Service Encryption User", "keys/wrap/action"},
    Grant{"Key Vault Crypto Service Encryption User", "keys/unwrap/action"},
    Grant{"Key Vault Crypto User", "keys/read"},
    Grant{"Key Vault Crypto User", "keys/update/action"},
    Grant{"Key Vault Crypto User", "keys/encrypt/action"},
    Grant{"Key Vault Crypto User", "keys/decrypt/action"},
    Grant{"Key Vault Crypto User", "keys/wrap/action"},
    Grant{"Key Vault Crypto User", "keys/unwrap/action"},
    Grant{"Key Vault Reader", "keys/read"},
    Grant{"Key Vault Reader", "keyrotationpolicies/read"},
};

bool Fits(const Grant& grant, std::string_view action) {
  if (!grant.action.ends_with('*')) return grant.action == action;
  return action.starts_with(grant.action.substr(0, grant.action.size() - 1));
}

}  // namespace

bool IsRole(std::string_view name) {
  return std::any_of(kGrants.begin(), kGrants.end(),
                     [&](const Grant& grant) { return grant.role == name; });
}

AzureStatus Authorize(const State& state, const Caller& caller, const Vault& vault,
                      const std::string& key, std::string_view action) {
  for (const Assignment& assignment : state.assignments) {
    if (assignment.application != caller.application || assignment.vault != vault.host) continue;
    if (!assignment.key.empty() && assignment.key != key) continue;
    for (const Grant& grant : kGrants) {
      if (grant.role == assignment.role && Fits(grant, action)) return {};
    }
  }
  return AzureFailure{
      403, "Forbidden", "ForbiddenByRbac",
      fmt::format("Caller is not authorized to perform action on resource.\r\nIf role assignments, "
                  "deny assignments or role definitions were changed recently, please observe "
                  "propagation time.\r\nCaller: appid={};oid={};iss=https://sts.windows.net/{}/\r\n"
                  "Action: 'Microsoft.KeyVault/vaults/{}'\r\nResource: '{}{}'\r\n"
                  "Assignment: (not found)\r\nDecisionReason: 'DeniedWithNoValidRBAC'\r\n"
                  "Vault: {}\r\n",
                  caller.application, caller.object_id, caller.tenant, action, vault.host,
                  key.empty() ? "" : "/keys/" + key, vault.host)};
}

}  // namespace freehold::embedded::azure
