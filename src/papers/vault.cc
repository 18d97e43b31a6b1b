#include "fmt/format.h"
#include "papers/papers.h"

namespace freehold::papers {
namespace {

constexpr std::string_view kPolicy =
    R"paper(# Freehold papers, edition @EDITION@: Vault and OpenBao.
# Wrapping: making a volume, rotating to this key. "update" only: with "create" as well, encrypting
# under a key that was deleted would quietly make a new one.
path "@MOUNT@/encrypt/@KEY@" { capabilities = ["update"] }
# Opening, and every probe: without it the volume seals.
path "@MOUNT@/decrypt/@KEY@" { capabilities = ["update"] }
# The preflight, and noticing a new version.
path "@MOUNT@/keys/@KEY@" { capabilities = ["read"] }
)paper";

constexpr std::string_view kCommands =
    R"paper(# Freehold papers, edition @EDITION@: Vault and OpenBao. Run by the customer.

# A key with rotation, that nobody can delete or take out.
vault secrets enable -path=@MOUNT@ transit
vault write @MOUNT@/keys/@KEY@ type=aes256-gcm96 auto_rotate_period=2160h

# What Freehold may do with it.
vault policy write @ROLE@ - <<'POLICY'
@POLICY@POLICY

# A role to log in with. Delete it, or destroy the secret id, to say no.
vault auth enable approle
vault write auth/approle/role/@ROLE@ token_policies=@ROLE@ token_type=batch token_ttl=5m
vault read -field=role_id auth/approle/role/@ROLE@/role-id
vault write -f -field=secret_id auth/approle/role/@ROLE@/secret-id

# For the operator: VAULT_ADDR, VAULT_ROLE_ID, VAULT_SECRET_ID, and
#   --key hcvault://YOUR-VAULT:8200/@MOUNT@/keys/@KEY@
)paper";

constexpr std::string_view kKeymgmt =
    R"paper(# Freehold papers, edition @EDITION@: a key made in Vault Enterprise and pushed into @CLOUD@.
# Freehold then talks to @CLOUD@; give it that key, with the papers of that cloud.

vault secrets enable keymgmt
vault write keymgmt/kms/@PROVIDER@ provider="@PROVIDER@" @COLLECTION@
vault write keymgmt/key/@KEY@ type="aes256-gcm96"
vault write keymgmt/kms/@PROVIDER@/key/@KEY@ purpose="encrypt,decrypt" protection="hsm"
)paper";

constexpr const char* kAwsCollection =
    R"paper(key_collection="us-east-1" \
    credentials=access_key="YOUR-ACCESS-KEY" credentials=secret_key="YOUR-SECRET-KEY")paper";
constexpr const char* kGcpCollection =
    R"paper(\
    key_collection="projects/YOUR-PROJECT/locations/global/keyRings/YOUR-RING" \
    credentials=service_account_file="YOUR-FILE.json")paper";

std::vector<std::pair<std::string_view, std::string>> Values(const VaultPapers& papers) {
  return {{"EDITION", fmt::format("{}", kEdition)},
          {"MOUNT", papers.mount},
          {"KEY", papers.key},
          {"ROLE", papers.role}};
}

}  // namespace

Status Check(const VaultPapers& papers) {
  const bool fits =
      IsMadeOf(papers.mount, "-_./") && IsMadeOf(papers.key, "-_.") && IsMadeOf(papers.role, "-_.");
  if (fits && papers.mount.find("..") == std::string::npos) return {};
  return Error(ErrorCode::kInvalidArgument,
               "--mount, --key and --role take letters, digits, '-', '_' and '.'");
}

std::string VaultPolicy(const VaultPapers& papers) { return Fill(kPolicy, Values(papers)); }

std::string VaultCommands(const VaultPapers& papers) {
  auto values = Values(papers);
  values.insert(values.begin(), {"POLICY", VaultPolicy(papers)});
  return Fill(kCommands, values);
}

std::string VaultKeymgmtCommands(const VaultPapers& papers, bool into_aws) {
  auto values = Values(papers);
  values.emplace_back("CLOUD", into_aws ? "AWS KMS" : "Google Cloud KMS");
  values.emplace_back("PROVIDER", into_aws ? "awskms" : "gcpckms");
  values.emplace_back("COLLECTION", into_aws ? kAwsCollection : kGcpCollection);
  return Fill(kKeymgmt, values);
}

}  // namespace freehold::papers
