#include "papers/grants.h"

#include <algorithm>
#include <array>

#include "fmt/format.h"

namespace freehold::papers {
namespace {

constexpr std::string_view kWraps = "making a volume, and rotating to this key";
constexpr std::string_view kOpens = "opening a volume, and every probe";
constexpr std::string_view kLooks = "the preflight, and noticing a new version of the key";
constexpr std::string_view kAzureRole = "Key Vault Crypto Service Encryption User";

constexpr std::array kGrants = {
    Grant{"aws", "Encrypt", "kms:Encrypt", kWraps},
    Grant{"aws", "Decrypt", "kms:Decrypt", kOpens},
    Grant{"aws", "DescribeKey", "kms:DescribeKey", "telling a disabled key from a passing state"},
    Grant{"aws", "GetKeyRotationStatus", "kms:GetKeyRotationStatus",
          "seeing whether the key rotates"},
    Grant{"gcp", "encrypt", "roles/cloudkms.cryptoKeyEncrypterDecrypter", kWraps},
    Grant{"gcp", "decrypt", "roles/cloudkms.cryptoKeyEncrypterDecrypter", kOpens},
    Grant{"gcp", "get key", "roles/cloudkms.viewer", kLooks},
    Grant{"azure", "wrapKey", kAzureRole, kWraps},
    Grant{"azure", "unwrapKey", kAzureRole, kOpens},
    Grant{"azure", "get key", kAzureRole, kLooks},
    Grant{"vault", "encrypt", "\"update\" on encrypt/KEY", kWraps},
    Grant{"vault", "decrypt", "\"update\" on decrypt/KEY", kOpens},
    Grant{"vault", "read key", "\"read\" on keys/KEY", kLooks},
};

}  // namespace

std::span<const Grant> Grants() { return kGrants; }

const Grant* FindGrant(std::string_view cloud, std::string_view operation) {
  const auto found = std::find_if(kGrants.begin(), kGrants.end(), [&](const Grant& grant) {
    return grant.cloud == cloud && grant.operation == operation;
  });
  return found == kGrants.end() ? nullptr : &*found;
}

std::string LackOf(const Grant& grant) {
  return fmt::format(
      "the policy is older than edition {} of `freehold provision {}`, or was changed: it lacks "
      "{}, "
      "which is needed for {}",
      grant.edition, grant.cloud, grant.permission, grant.purpose);
}

}  // namespace freehold::papers
