#include "kms/embedded/google/policy.h"

#include "gtest/gtest.h"

namespace freehold::embedded::google {
namespace {

constexpr const char* kRing = "projects/p/locations/l/keyRings/r";
constexpr const char* kKey = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
constexpr const char* kToEncrypt = "cloudkms.cryptoKeyVersions.useToEncrypt";
constexpr const char* kToDecrypt = "cloudkms.cryptoKeyVersions.useToDecrypt";

TEST(GooglePolicy, RolesAllowWhatGooglesDo) {
  const struct {
    const char* role;
    const char* permission;
    bool allowed;
  } cases[] = {
      {"roles/cloudkms.cryptoKeyEncrypterDecrypter", kToEncrypt, true},
      {"roles/cloudkms.cryptoKeyEncrypterDecrypter", kToDecrypt, true},
      {"roles/cloudkms.cryptoKeyEncrypterDecrypter", "cloudkms.cryptoKeys.get", false},
      {"roles/cloudkms.cryptoKeyEncrypter", kToDecrypt, false},
      {"roles/cloudkms.cryptoKeyDecrypter", kToEncrypt, false},
      {"roles/cloudkms.viewer", "cloudkms.cryptoKeys.get", true},
      {"roles/cloudkms.viewer", "cloudkms.cryptoKeyVersions.list", true},
      {"roles/cloudkms.viewer", "cloudkms.cryptoKeys.getIamPolicy", false},
      {"roles/cloudkms.viewer", kToDecrypt, false},
      {"roles/cloudkms.admin", "cloudkms.cryptoKeyVersions.destroy", true},
      {"roles/cloudkms.admin", "cloudkms.cryptoKeys.setIamPolicy", true},
      {"roles/cloudkms.admin", kToDecrypt, false},
      {"roles/cloudkms.admin", "iam.serviceAccounts.create", false},
      {"roles/owner", kToDecrypt, true},
      {"roles/owner", "iam.serviceAccounts.getAccessToken", false},
      {"roles/iam.serviceAccountTokenCreator", "iam.serviceAccounts.getAccessToken", true},
      {"roles/iam.serviceAccountTokenCreator", kToDecrypt, false},
      {"roles/nothing", kToDecrypt, false},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(RoleAllows(each.role, each.permission), each.allowed)
        << each.role << " " << each.permission;
  }
  EXPECT_TRUE(IsRole("roles/owner"));
  EXPECT_FALSE(IsRole("roles/own"));
}

TEST(GooglePolicy, WhatIsBoundHoldsForWhatIsWithin) {
  for (const std::string bound : {kKey, kRing, "projects/p"}) {
    State state;
    state.policies[bound]["roles/cloudkms.cryptoKeyDecrypter"] = {"serviceAccount:a@p"};
    EXPECT_TRUE(Allows(state, "a@p", kToDecrypt, kKey)) << bound;
    EXPECT_TRUE(Allows(state, "a@p", kToDecrypt, std::string(kKey) + "/cryptoKeyVersions/1"));
    EXPECT_FALSE(Allows(state, "b@p", kToDecrypt, kKey));
    EXPECT_FALSE(Allows(state, "a@p", kToDecrypt, "projects/p2"));
    EXPECT_EQ(Allows(state, "a@p", kToDecrypt, std::string(kKey) + "2"), bound != kKey);
  }
}

}  // namespace
}  // namespace freehold::embedded::google
