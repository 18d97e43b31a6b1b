#include "api/cluster_identity.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::api {
namespace {

using testing::HasSubstr;

TEST(ClusterIdentityTest, IsTheTemplateWithTheCluster) {
  const std::string id = "9e946b11-c434-4e5e-b21c-1c2a81cc8a49";
  const auto parsed =
      ParseClusterIdentities({"AWS_KMS=arn:aws:iam::444455556666:role/freehold-{cluster_id}",
                              "GCP_CLOUD_KMS=fh-{cluster_prefix}@p.iam.gserviceaccount.com"});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(ClusterIdentity(parsed->at(KmsType::kAwsKms), id),
            "arn:aws:iam::444455556666:role/freehold-" + id);
  EXPECT_EQ(ClusterIdentity(parsed->at(KmsType::kGcpCloudKms), id),
            "fh-9e946b11-c434@p.iam.gserviceaccount.com");
}

TEST(ClusterIdentityTest, WhatIsWrongIsSaid) {
  const auto why = [](const char* word) {
    return std::string(ParseClusterIdentities({word}).error().message());
  };
  EXPECT_THAT(why("AWS_KMS"), HasSubstr("is not TYPE=TEMPLATE"));
  EXPECT_THAT(why("PKCS11=x{cluster_id}"), HasSubstr("must begin with AWS_KMS="));
  EXPECT_THAT(why("AWS_KMS=arn:aws:iam::444455556666:role/freehold"), HasSubstr("{cluster_id}"));
  EXPECT_THAT(why("AWS_KMS=freehold-{cluster_id}"), HasSubstr("no ARN of a role"));
  EXPECT_THAT(why("GCP_CLOUD_KMS=freehold-{cluster_id}"), HasSubstr("no address"));
  const std::string word = "AWS_KMS=arn:aws:iam::444455556666:role/f-{cluster_id}";
  EXPECT_THAT(ParseClusterIdentities({word, word}).error().message(), HasSubstr("twice"));
}

}  // namespace
}  // namespace freehold::api
