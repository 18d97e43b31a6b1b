// Papers: what a customer runs to let Freehold use a key, as text with the operator's identity in
// it.
//
// The least permissions that work, each with its reason beside it; the same that docs/providers/
// has, which a test compares. kEdition goes up when they change. Values are checked before they go
// in: kInvalidArgument with one sentence. Pure. Threads: safe.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace freehold::papers {

inline constexpr int kEdition = 1;

struct AwsPapers {
  std::string operator_principal;  // ARN of the operator's role, or of its account's root
  std::string external_id;         // the operator's name for this customer
  std::string role_name = "freehold";
  std::string key_arn;  // "" = a key that the template makes
  std::string region;   // of the quick-create link
};
Status Check(const AwsPapers& papers);
std::string AwsCloudFormation(const AwsPapers& papers);
std::string AwsTrustPolicy(const AwsPapers& papers);
std::string AwsKeyPolicy(const AwsPapers& papers, const std::string& account);
std::string AwsTerraform(const AwsPapers& papers);
// The console's page that makes the stack, from a template that the operator has published.
Result<std::string> AwsQuickCreateLink(const AwsPapers& papers, const std::string& template_url);

struct GcpPapers {
  std::string operator_account;  // e-mail address of the operator's service account
  std::string project;           // the customer's
  std::string location = "global";
  std::string key_ring = "freehold";
  std::string key = "freehold";
};
Status Check(const GcpPapers& papers);
std::string GcpCommands(const GcpPapers& papers);
std::string GcpTerraform(const GcpPapers& papers);

struct AzurePapers {
  std::string operator_application;  // the client id of the operator's multi-tenant application
  std::string tenant;                // the customer's
  std::string vault;                 // "acme"
  std::string resource_group = "freehold";
  std::string location = "westeurope";
  std::string key = "freehold";
};
Status Check(const AzurePapers& papers);
std::string AzureCommands(const AzurePapers& papers);
std::string AzureTerraform(const AzurePapers& papers);

struct VaultPapers {
  std::string mount = "transit";
  std::string key = "freehold";
  std::string role = "freehold";
};
Status Check(const VaultPapers& papers);
std::string VaultPolicy(const VaultPapers& papers);
std::string VaultCommands(const VaultPapers& papers);
// A key made in Vault and pushed into a cloud's KMS by the keymgmt engine (Vault Enterprise).
std::string VaultKeymgmtCommands(const VaultPapers& papers, bool into_aws);

struct KmipPapers {
  std::string key = "freehold";
  std::string policy = "freehold";  // the server's name for who may use the key how
};
Status Check(const KmipPapers& papers);
std::string KmipCommands(const KmipPapers& papers);

// Text with "@NAME@" replaced by a value; every name must be given.
std::string Fill(std::string_view text,
                 const std::vector<std::pair<std::string_view, std::string>>& values);
// Whether all is ASCII letters, digits or one of these.
bool IsMadeOf(std::string_view text, std::string_view beside_letters_and_digits);

}  // namespace freehold::papers
