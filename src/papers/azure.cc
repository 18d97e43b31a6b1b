#include "fmt/format.h"
#include "papers/papers.h"

namespace freehold::papers {
namespace {

constexpr std::string_view kCommands =
    R"paper(# Freehold papers, edition @EDITION@: Azure. A script for the customer, signed in to
# tenant @TENANT@.
set -eu

# Consent: the operator's application may sign in to your tenant. Removing it there says no.
#   https://login.microsoftonline.com/@TENANT@/adminconsent?client_id=@APPLICATION@
az ad sp create --id @APPLICATION@

# A vault whose keys cannot be purged by anybody for 90 days, and a key that rotates.
az group create --name @GROUP@ --location @LOCATION@
az keyvault create --name @VAULT@ --resource-group @GROUP@ --location @LOCATION@ \
    --enable-rbac-authorization true --enable-purge-protection true --retention-days 90
vault=$(az keyvault show --name @VAULT@ --query id --output tsv)
me=$(az ad signed-in-user show --query id --output tsv)

# Whoever makes a vault may not make keys in it: that takes a role of its own. It takes minutes to
# spread; until then the next command says ForbiddenByRbac: run the lines from "vault=" on again.
az role assignment create --role "Key Vault Crypto Officer" --assignee "$me" --scope "$vault"
az keyvault key create --vault-name @VAULT@ --name @KEY@ --kty RSA --size 3072 --ops wrapKey unwrapKey
az keyvault key rotation-policy update --vault-name @VAULT@ --name @KEY@ --value \
    '{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P90D"},"action":{"type":"Rotate"}}],"attributes":{}}'

# Wrap, unwrap and look at this one key, nothing else of the vault. Removing it says no.
az role assignment create --role "Key Vault Crypto Service Encryption User" \
    --assignee @APPLICATION@ --scope "$vault/keys/@KEY@"

# For the operator:
#   --key https://@VAULT@.vault.azure.net/keys/@KEY@
#   --principal @TENANT@
)paper";

constexpr std::string_view kTerraform = R"paper(# Freehold papers, edition @EDITION@: Azure.

resource "azurerm_resource_group" "freehold" {
  name     = "@GROUP@"
  location = "@LOCATION@"
}

resource "azurerm_key_vault" "freehold" {
  name                       = "@VAULT@"
  resource_group_name        = azurerm_resource_group.freehold.name
  location                   = azurerm_resource_group.freehold.location
  tenant_id                  = "@TENANT@"
  sku_name                   = "premium"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
}

# Whoever makes a vault may not make keys in it: that takes a role of its own. It takes minutes to
# spread; until then making the key says ForbiddenByRbac: apply again.
data "azurerm_client_config" "current" {}

resource "azurerm_role_assignment" "administer" {
  scope                = azurerm_key_vault.freehold.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_key_vault_key" "freehold" {
  depends_on = [azurerm_role_assignment.administer]

  name         = "@KEY@"
  key_vault_id = azurerm_key_vault.freehold.id
  key_type     = "RSA"
  key_size     = 3072
  key_opts     = ["wrapKey", "unwrapKey"]

  rotation_policy {
    automatic {
      time_after_creation = "P90D"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Consent: the operator's application may sign in to this tenant. Removing it says no.
resource "azuread_service_principal" "operator" {
  client_id = "@APPLICATION@"
}

# Wrap, unwrap and look at this one key, nothing else of the vault.
resource "azurerm_role_assignment" "use" {
  scope                = azurerm_key_vault_key.freehold.resource_versionless_id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = azuread_service_principal.operator.object_id
}

output "key" {
  value = azurerm_key_vault_key.freehold.versionless_id
}

output "principal" {
  value = "@TENANT@"
}
)paper";

std::string Filled(std::string_view text, const AzurePapers& papers) {
  return Fill(text, {{"EDITION", fmt::format("{}", kEdition)},
                     {"TENANT", papers.tenant},
                     {"APPLICATION", papers.operator_application},
                     {"VAULT", papers.vault},
                     {"GROUP", papers.resource_group},
                     {"LOCATION", papers.location},
                     {"KEY", papers.key}});
}

}  // namespace

Status Check(const AzurePapers& papers) {
  const std::pair<const char*, const std::string*> ids[] = {
      {"--operator", &papers.operator_application}, {"--tenant", &papers.tenant}};
  for (const auto& [name, id] : ids) {
    if (id->size() == 36 && IsMadeOf(*id, "-")) continue;
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} '{}' is not a GUID", name, *id));
  }
  for (const std::string* value :
       {&papers.vault, &papers.resource_group, &papers.location, &papers.key}) {
    if (IsMadeOf(*value, "-")) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is not the name of a vault, group, location or key", *value));
  }
  return {};
}

std::string AzureCommands(const AzurePapers& papers) { return Filled(kCommands, papers); }
std::string AzureTerraform(const AzurePapers& papers) { return Filled(kTerraform, papers); }

}  // namespace freehold::papers
