#include "fmt/format.h"
#include "papers/papers.h"

namespace freehold::papers {
namespace {

constexpr std::string_view kCommands =
    R"paper(# Freehold papers, edition @EDITION@: Google Cloud. A script for the customer, for
# project @PROJECT@.
set -eu

# A key ring and a key with rotation; a destroyed version can be restored for 30 days.
gcloud services enable cloudkms.googleapis.com iamcredentials.googleapis.com --project @PROJECT@
gcloud kms keyrings create @RING@ --location @LOCATION@ --project @PROJECT@
gcloud kms keys create @KEY@ --keyring @RING@ --location @LOCATION@ --project @PROJECT@ \
    --purpose encryption --rotation-period 90d --next-rotation-time "$(date -u -d '+90 days' +%FT%TZ)" \
    --destroy-scheduled-duration 30d

# A service account of yours, as which the operator acts. Delete it, or its binding, to say no.
gcloud iam service-accounts create freehold --project @PROJECT@ --display-name "Freehold"

# Encrypt: making a volume, rotating to this key. Decrypt: opening, and every probe.
gcloud kms keys add-iam-policy-binding @KEY@ --keyring @RING@ --location @LOCATION@ --project @PROJECT@ \
    --member "serviceAccount:freehold@@PROJECT@.iam.gserviceaccount.com" \
    --role roles/cloudkms.cryptoKeyEncrypterDecrypter

# The preflight: the key's state, version and rotation.
gcloud kms keys add-iam-policy-binding @KEY@ --keyring @RING@ --location @LOCATION@ --project @PROJECT@ \
    --member "serviceAccount:freehold@@PROJECT@.iam.gserviceaccount.com" \
    --role roles/cloudkms.viewer

# The operator's identity may ask for tokens of that account, which live for minutes.
gcloud iam service-accounts add-iam-policy-binding freehold@@PROJECT@.iam.gserviceaccount.com \
    --project @PROJECT@ --member "serviceAccount:@OPERATOR@" \
    --role roles/iam.serviceAccountTokenCreator

# For the operator:
#   --key gcp-kms://projects/@PROJECT@/locations/@LOCATION@/keyRings/@RING@/cryptoKeys/@KEY@
#   --principal freehold@@PROJECT@.iam.gserviceaccount.com
)paper";

constexpr std::string_view kTerraform = R"paper(# Freehold papers, edition @EDITION@: Google Cloud.

resource "google_kms_key_ring" "freehold" {
  name     = "@RING@"
  location = "@LOCATION@"
  project  = "@PROJECT@"
}

resource "google_kms_crypto_key" "freehold" {
  name                       = "@KEY@"
  key_ring                   = google_kms_key_ring.freehold.id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s"
  destroy_scheduled_duration = "2592000s"

  lifecycle {
    prevent_destroy = true
  }
}

# As this account the operator acts. Delete it, or its binding, to say no.
resource "google_service_account" "freehold" {
  account_id   = "freehold"
  display_name = "Freehold"
  project      = "@PROJECT@"
}

# Encrypt: making a volume, rotating to this key. Decrypt: opening, and every probe.
resource "google_kms_crypto_key_iam_member" "use" {
  crypto_key_id = google_kms_crypto_key.freehold.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = google_service_account.freehold.member
}

# The preflight: the key's state, version and rotation.
resource "google_kms_crypto_key_iam_member" "look" {
  crypto_key_id = google_kms_crypto_key.freehold.id
  role          = "roles/cloudkms.viewer"
  member        = google_service_account.freehold.member
}

# The operator's identity may ask for tokens of that account, which live for minutes.
resource "google_service_account_iam_member" "operator" {
  service_account_id = google_service_account.freehold.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:@OPERATOR@"
}

output "key" {
  value = "gcp-kms://${google_kms_crypto_key.freehold.id}"
}

output "principal" {
  value = google_service_account.freehold.email
}
)paper";

std::string Filled(std::string_view text, const GcpPapers& papers) {
  return Fill(text, {{"EDITION", fmt::format("{}", kEdition)},
                     {"PROJECT", papers.project},
                     {"LOCATION", papers.location},
                     {"RING", papers.key_ring},
                     {"KEY", papers.key},
                     {"OPERATOR", papers.operator_account}});
}

}  // namespace

Status Check(const GcpPapers& papers) {
  if (!IsMadeOf(papers.operator_account, "-._@") ||
      !papers.operator_account.ends_with(".gserviceaccount.com")) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--operator '{}' is not a service account's address", papers.operator_account));
  }
  for (const std::string* value :
       {&papers.project, &papers.location, &papers.key_ring, &papers.key}) {
    if (IsMadeOf(*value, "-_")) continue;
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is not the name of a project, location, key ring or key", *value));
  }
  return {};
}

std::string GcpCommands(const GcpPapers& papers) { return Filled(kCommands, papers); }
std::string GcpTerraform(const GcpPapers& papers) { return Filled(kTerraform, papers); }

}  // namespace freehold::papers
