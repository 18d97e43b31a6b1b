#include "kms/embedded/google/policy.h"

#include <algorithm>
#include <array>

namespace freehold::embedded::google {
namespace {

struct Grant {
  std::string_view role;
  std::string_view permissions;  // a name, or what it begins with and a '*'
};

constexpr std::string_view kImpersonate = "iam.serviceAccounts.getAccessToken";
constexpr std::string_view kUse = "cloudkms.cryptoKeyVersions.useTo";

constexpr std::array kGrants = {
    Grant{"roles/owner", "*"},
    Grant{"roles/cloudkms.admin", "cloudkms.*"},
    Grant{"roles/cloudkms.viewer", "cloudkms.*"},
    Grant{"roles/cloudkms.cryptoKeyEncrypter", "cloudkms.cryptoKeyVersions.useToEncrypt"},
    Grant{"roles/cloudkms.cryptoKeyDecrypter", "cloudkms.cryptoKeyVersions.useToDecrypt"},
    Grant{"roles/cloudkms.cryptoKeyEncrypterDecrypter", "cloudkms.cryptoKeyVersions.useToEncrypt"},
    Grant{"roles/cloudkms.cryptoKeyEncrypterDecrypter", "cloudkms.cryptoKeyVersions.useToDecrypt"},
    Grant{"roles/cloudkms.importer", "cloudkms.importJobs.*"},
    Grant{"roles/iam.serviceAccountTokenCreator", kImpersonate},
    Grant{"roles/iam.serviceAccountAdmin", "iam.serviceAccounts.*"},
    Grant{"roles/iam.serviceAccountKeyAdmin", "iam.serviceAccountKeys.*"},
};

bool Matches(std::string_view pattern, std::string_view permission) {
  if (!pattern.ends_with('*')) return pattern == permission;
  return permission.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace

bool IsRole(std::string_view role) {
  return std::any_of(kGrants.begin(), kGrants.end(),
                     [&](const Grant& grant) { return grant.role == role; });
}

bool RoleAllows(std::string_view role, std::string_view permission) {
  // Whoever administers keys does not use them by that; whoever owns a project does.
  if (role == "roles/cloudkms.admin" && permission.starts_with(kUse)) return false;
  // An owner does not act for the project's service accounts by that alone.
  if ((role == "roles/owner" || role == "roles/iam.serviceAccountAdmin") &&
      permission == kImpersonate) {
    return false;
  }
  if (role == "roles/cloudkms.viewer" && !permission.ends_with(".get") &&
      !permission.ends_with(".list")) {
    return false;
  }
  return std::any_of(kGrants.begin(), kGrants.end(), [&](const Grant& grant) {
    return grant.role == role && Matches(grant.permissions, permission);
  });
}

bool Allows(const State& state, const std::string& email, std::string_view permission,
            std::string resource) {
  const std::string member = "serviceAccount:" + email;
  while (!resource.empty()) {
    if (const auto policy = state.policies.find(resource); policy != state.policies.end()) {
      for (const auto& [role, members] : policy->second) {
        if (members.contains(member) && RoleAllows(role, permission)) return true;
      }
    }
    const auto slash = resource.rfind('/');
    resource.erase(slash == std::string::npos ? 0 : slash);
  }
  return false;
}

}  // namespace freehold::embedded::google
