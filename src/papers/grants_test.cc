#include "papers/grants.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "papers/papers.h"

namespace freehold::papers {
namespace {

using testing::HasSubstr;

std::string PaperOf(std::string_view cloud) {
  if (cloud == "aws") {
    AwsPapers papers;
    papers.operator_principal = "arn:aws:iam::111122223333:root";
    return AwsKeyPolicy(papers, "444455556666");
  }
  if (cloud == "gcp") return GcpCommands(GcpPapers());
  if (cloud == "azure") return AzureCommands(AzurePapers());
  VaultPapers papers;
  papers.key = "KEY";
  return VaultPolicy(papers);
}

TEST(GrantsTest, WhatIsGrantedIsInThePapersOfThisEdition) {
  for (const Grant& grant : Grants()) {
    EXPECT_GE(grant.edition, 1);
    EXPECT_LE(grant.edition, kEdition);
    // Vault's is a path and a capability, on one line of the policy.
    const auto on = grant.permission.find("\" on ");
    const auto path = grant.permission.substr(on == std::string_view::npos ? 0 : on + 5);
    EXPECT_THAT(PaperOf(grant.cloud), HasSubstr(std::string(path))) << grant.operation;
  }
}

TEST(GrantsTest, EveryActionOfAwssKeyPolicyIsInTheTable) {
  const std::string policy = PaperOf("aws");
  for (std::size_t at = policy.find("\"kms:"); at != std::string::npos;
       at = policy.find("\"kms:", at + 1)) {
    const std::string action = policy.substr(at + 5, policy.find('"', at + 1) - at - 5);
    if (action == "*" || action.starts_with("EncryptionContext")) continue;
    EXPECT_NE(FindGrant("aws", action), nullptr) << action;
  }
}

TEST(GrantsTest, ALackNamesThePermissionTheEditionAndTheReason) {
  const Grant* grant = FindGrant("aws", "GetKeyRotationStatus");
  ASSERT_NE(grant, nullptr);
  EXPECT_EQ(LackOf(*grant),
            "the policy is older than edition 1 of `freehold provision aws`, or was changed: it "
            "lacks kms:GetKeyRotationStatus, which is needed for seeing whether the key rotates");
  EXPECT_EQ(FindGrant("azure", "get rotation policy"), nullptr);
}

}  // namespace
}  // namespace freehold::papers
