#include "kms/azure/remedy.h"

#include "fmt/format.h"

namespace freehold::azure {
namespace {

std::string AssignRole(const AzureKeyId& key, const std::string& vault, const std::string& app) {
  if (key.IsManagedHsm()) {
    return fmt::format(
        "az keyvault role assignment create --hsm-name {} --role \"Managed HSM Crypto Service "
        "Encryption User\" --assignee {} --scope /keys/{}",
        vault, app, key.key);
  }
  return fmt::format(
      "az role assignment create --role \"Key Vault Crypto Service Encryption User\" --assignee {} "
      "--scope \"$(az keyvault show --name {} --query id -o tsv)/keys/{}\"; it takes up to 10 "
      "minutes to be heeded",
      app, vault, key.key);
}

}  // namespace

std::string RemedyFor(const KmsFailure& failure, const KeyAccess& access,
                      const Surroundings& surroundings) {
  const AzureKeyId& key = access.uri.azure();
  const std::string vault = key.host.substr(0, key.host.find('.'));
  const std::string name = fmt::format(
      "--{} {} --name {}", key.IsManagedHsm() ? "hsm-name" : "vault-name", vault, key.key);
  const std::string app = surroundings.environment("AZURE_CLIENT_ID").value_or("OUR_APP_ID");
  switch (failure.meaning) {
    case KmsMeaning::kPermissionMissing:
      if (failure.operation == "get rotation policy") {
        return "optional; the role \"Key Vault Reader\" on the vault shows it";
      }
      return AssignRole(key, vault, app);
    case KmsMeaning::kTrustWithdrawn:
      return fmt::format(
          "an administrator of the tenant consents at "
          "https://login.microsoftonline.com/{}/adminconsent?client_id={}",
          access.principal.empty() ? "TENANT" : access.principal, app);
    case KmsMeaning::kKeyDisabled:
      return fmt::format("az keyvault key set-attributes {} --enabled true", name);
    case KmsMeaning::kKeyNotValidNow:
      return fmt::format("az keyvault key set-attributes {} --expires 20NN-01-01T00:00:00Z", name);
    case KmsMeaning::kKeyMissing:
    case KmsMeaning::kKeyPendingDeletion:
      return fmt::format("while it is only soft-deleted: az keyvault key recover {}", name);
    case KmsMeaning::kNetworkRefused:
      return fmt::format("az keyvault network-rule add --name {} --ip-address OUR_ADDRESS", vault);
    case KmsMeaning::kOurCredentials:
      // The vault of one tenant, a token of another.
      if (failure.message.find("AKV10032") == std::string::npos) return "";
      return "give --principal with the id of the vault's tenant";
    case KmsMeaning::kHostMissing:
      return fmt::format("if the vault was deleted: az keyvault recover --name {}", vault);
    default:
      return "";
  }
}

}  // namespace freehold::azure
