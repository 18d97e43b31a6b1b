#include "kms/gcp/remedy.h"

#include "fmt/format.h"

namespace freehold::gcp {
namespace {

std::string Place(const GcpKeyName& key) {
  return fmt::format("--keyring {} --location {} --project {}", key.key_ring, key.location,
                     key.project);
}

std::string VersionCommand(std::string_view verb, const GcpKeyName& key,
                           const std::string& version) {
  return fmt::format("gcloud kms keys versions {} {} --key {} {}", verb,
                     version.empty() ? "VERSION" : version, key.key, Place(key));
}

std::string_view PermissionOf(std::string_view operation) {
  if (operation == "encrypt") return "cloudkms.cryptoKeyVersions.useToEncrypt";
  if (operation == "decrypt") return "cloudkms.cryptoKeyVersions.useToDecrypt";
  return operation == "get version" ? "cloudkms.cryptoKeyVersions.get" : "cloudkms.cryptoKeys.get";
}

}  // namespace

std::string GrantCommand(const GcpKeyName& key, const std::string& account, std::string_view role) {
  return fmt::format(
      "gcloud kms keys add-iam-policy-binding {} {} --member serviceAccount:{} "
      "--role {}",
      key.key, Place(key), account.empty() ? "ACCOUNT" : account, role);
}

std::string RemedyFor(const KmsFailure& failure, const GcpKeyName& key, const std::string& account,
                      const std::string& version) {
  switch (failure.meaning) {
    case KmsMeaning::kPermissionMissing: {
      const bool looks = failure.operation.starts_with("get ");
      return fmt::format("{} is missing: {}", PermissionOf(failure.operation),
                         GrantCommand(key, account, looks ? kViewRole : kUseRole));
    }
    case KmsMeaning::kKeyDisabled:
      return VersionCommand("enable", key, version);
    case KmsMeaning::kKeyPendingDeletion:
      return fmt::format("{}; then {}", VersionCommand("restore", key, version),
                         VersionCommand("enable", key, version));
    case KmsMeaning::kVersionRetired:
      return "a version that is destroyed does not come back; only a copy that was wrapped by "
             "another key can be opened";
    case KmsMeaning::kKeyMissing:
      return fmt::format("gcloud kms keys describe {} {}", key.key, Place(key));
    case KmsMeaning::kAccountSuspended:
      return fmt::format(
          "gcloud services enable cloudkms.googleapis.com --project {}; and see that "
          "the project's billing is in order",
          key.project);
    case KmsMeaning::kOurClock:
      return "set this machine's clock: Google takes a token that is a few minutes off for a "
             "forgery";
    default:
      return "";
  }
}

}  // namespace freehold::gcp
