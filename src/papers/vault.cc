#include <algorithm>
#include <array>
#include <cctype>
#include <span>

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
    R"paper(# Freehold papers, edition @EDITION@: Vault and OpenBao. A script for the customer.
set -eu

# A key with rotation, that nobody can delete or take out.
vault secrets list | grep -q '^@MOUNT@/ ' || vault secrets enable -path=@MOUNT@ transit
vault write @MOUNT@/keys/@KEY@ type=aes256-gcm96 auto_rotate_period=2160h

# What Freehold may do with it.
vault policy write @ROLE@ - <<'POLICY'
@POLICY@POLICY

# A role to log in with. Delete it, or destroy the secret id, to say no. Its secret id must not end by
# itself, by time or by use: at a login that looks just like one that was destroyed, and would seal.
vault auth list | grep -q '^approle/ ' || vault auth enable approle
vault write auth/approle/role/@ROLE@ token_policies=@ROLE@ token_type=batch token_ttl=5m \
    secret_id_ttl=0 secret_id_num_uses=0
vault read -field=role_id auth/approle/role/@ROLE@/role-id
vault write -f -field=secret_id auth/approle/role/@ROLE@/secret-id

# For the operator: VAULT_ADDR, VAULT_ROLE_ID, VAULT_SECRET_ID, and
#   --key hcvault://YOUR-VAULT:8200/@MOUNT@/keys/@KEY@
)paper";

constexpr std::string_view kKeymgmt =
    R"paper(# Freehold papers, edition @EDITION@: a key made in Vault Enterprise and pushed into @CLOUD@.
# Freehold then talks to @CLOUD@; give it that key, with the papers of that cloud.
set -eu

vault secrets list | grep -q '^keymgmt/ ' || vault secrets enable keymgmt
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

// Vault refuses to write these, but for "default", which every token has.
constexpr std::array<std::string_view, 4> kOwnPolicies = {"root", "default", "response-wrapping",
                                                          "control-group"};
constexpr std::array<std::string_view, 5> kOwnMounts = {"sys", "auth", "identity", "cubbyhole",
                                                        "audit"};

bool IsOneOf(std::string_view name, std::span<const std::string_view> names) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(names.begin(), names.end(), lower) != names.end();
}

// As Vault's routes take a name (its GenericNameRegex).
bool IsVaultName(std::string_view name) {
  return IsMadeOf(name, "-_.") && IsMadeOf(name.substr(0, 1), "_") &&
         IsMadeOf(name.substr(name.size() - 1), "_");
}

bool IsMount(std::string_view mount) {
  if (IsOneOf(mount.substr(0, mount.find('/')), kOwnMounts)) return false;
  for (auto slash = mount.find('/'); slash != std::string_view::npos; slash = mount.find('/')) {
    if (!IsVaultName(mount.substr(0, slash))) return false;
    mount.remove_prefix(slash + 1);
  }
  return IsVaultName(mount);
}

std::vector<std::pair<std::string_view, std::string>> Values(const VaultPapers& papers) {
  return {{"EDITION", fmt::format("{}", kEdition)},
          {"MOUNT", papers.mount},
          {"KEY", papers.key},
          {"ROLE", papers.role}};
}

}  // namespace

Status Check(const VaultPapers& papers) {
  if (!IsVaultName(papers.key) || !IsVaultName(papers.role) || !IsMount(papers.mount)) {
    return Error(ErrorCode::kInvalidArgument,
                 "--mount, --key and --role take letters, digits, '_', and '-' and '.' between "
                 "them; Vault's own mounts (sys, auth, ...) take no keys");
  }
  if (!IsOneOf(papers.role, kOwnPolicies)) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("--role {} names a policy of Vault's own", papers.role));
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
