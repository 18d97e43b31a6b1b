#include "kms/aws/aws_key_provider.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/aws/fake_answers.h"
#include "net/scripted_server.h"

namespace freehold::aws {
namespace {

constexpr const char* kArn = "arn:aws:kms:eu-west-1:111122223333:key/k1";
constexpr const char* kRole = "arn:aws:iam::111122223333:role/r";

class AwsProvider : public testing::Test {
 protected:
  AwsKeyProvider NewProvider(const std::string& principal) {
    return AwsKeyProvider({*KeyUri::Parse(kArn), principal, ""},
                          FakeSurroundings({{"AWS_ACCESS_KEY_ID", "AKIDENV"},
                                            {"AWS_SECRET_ACCESS_KEY", "s"},
                                            {"AWS_ENDPOINT_URL", server_.Url()}}));
  }
  void AnswerDecrypt(std::size_t size) {
    server_.Add(
        {200,
         {},
         R"({"Plaintext":")" + Base64Encode(Bytes(size, 7)) + R"(","KeyId":")" + kArn + "\"}"});
  }

  ScriptedServer server_;
  WrappedKey wrapped_{{1}, "", ""};
};

TEST_F(AwsProvider, TakesItsSessionAfreshForEveryOperation) {
  AwsKeyProvider provider = NewProvider(kRole);
  for (int i = 0; i < 2; ++i) {
    server_.Add(SessionAnswer("AssumeRole", "ASIA1"));
    AnswerDecrypt(32);
    auto key = provider.Unwrap(wrapped_, {});
    ASSERT_TRUE(key.has_value()) << key.error().Sentence();
    EXPECT_EQ(key->size(), 32u);
  }
  server_.Add(StsError(403, "AccessDenied"));
  auto refused = provider.Unwrap(wrapped_, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kms_class, KmsClass::kDenied);
  EXPECT_THAT(refused.error().remedy, testing::HasSubstr("sts:AssumeRole"));
  EXPECT_EQ(server_.Requests().size(), 5u);
}

TEST_F(AwsProvider, UsesTheSessionsTokenAndNotOurOwnKeys) {
  server_.Add(SessionAnswer("AssumeRole", "ASIA1"));
  AnswerDecrypt(32);
  ASSERT_TRUE(NewProvider(kRole).Unwrap(wrapped_, {}).has_value());
  const auto requests = server_.Requests();
  EXPECT_THAT(FindHeader(requests[0].headers, "authorization").value_or(""),
              testing::HasSubstr("AKIDENV"));
  EXPECT_THAT(
      FindHeader(requests[1].headers, "authorization").value_or(""),
      testing::AllOf(testing::HasSubstr("ASIA1"), testing::HasSubstr("x-amz-security-token")));
  EXPECT_EQ(FindHeader(requests[1].headers, "x-amz-security-token"), "session-token");
}

TEST_F(AwsProvider, JudgesStaleCredentialsByASecondTry) {
  AwsKeyProvider provider = NewProvider("");
  server_.Add(KmsError("ExpiredTokenException"));
  AnswerDecrypt(32);
  EXPECT_TRUE(provider.Unwrap(wrapped_, {}).has_value());
  server_.Add(KmsError("ExpiredTokenException"));
  server_.Add(KmsError("DisabledException"));
  EXPECT_EQ(provider.Unwrap(wrapped_, {}).error().kms_class, KmsClass::kDenied);
  server_.Add(KmsError("ExpiredTokenException"));
  server_.Add(KmsError("ExpiredTokenException"));
  EXPECT_EQ(provider.Unwrap(wrapped_, {}).error().kms_class, KmsClass::kOurs);
  EXPECT_EQ(server_.Requests().size(), 6u);
}

TEST_F(AwsProvider, AcceptsExactlyThirtyTwoBytes) {
  for (const std::size_t size : {1, 31, 33, 64}) {
    AnswerDecrypt(size);
    EXPECT_EQ(NewProvider("").Unwrap(wrapped_, {}).error().kms_class, KmsClass::kData) << size;
  }
}

TEST_F(AwsProvider, ReportsTheVersionThatWrapped) {
  server_.Add({200, {}, R"({"CiphertextBlob":"AQID","KeyId":")" + std::string(kArn) + "\"}"});
  server_.Add({200,
               {},
               R"({"KeyMetadata":{"Arn":")" + std::string(kArn) +
                   R"(","KeyState":"Enabled","CurrentKeyMaterialId":"m2"}})"});
  auto wrapped = NewProvider("").Wrap(SecretBytes(32), {});
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Sentence();
  EXPECT_EQ(wrapped->key_version, "m2");
}

TEST_F(AwsProvider, SaysWhyTheRotationStatusIsUnknown) {
  server_.Add(
      {200, {}, R"({"KeyMetadata":{"Arn":")" + std::string(kArn) + R"(","KeyState":"Enabled"}})"});
  server_.Add(KmsError("AccessDeniedException"));
  auto facts = NewProvider("").Describe();
  ASSERT_TRUE(facts.has_value()) << facts.error().Sentence();
  EXPECT_EQ(facts->state, "Enabled");
  EXPECT_EQ(facts->rotation_enabled, std::nullopt);
  EXPECT_THAT(facts->rotation_detail, testing::HasSubstr("kms:GetKeyRotationStatus"));
}

TEST_F(AwsProvider, SaysWhenAKeyWillBeDeleted) {
  server_.Add({200,
               {},
               R"({"KeyMetadata":{"Arn":")" + std::string(kArn) +
                   R"(","KeyState":"PendingDeletion","DeletionDate":1.7987616E9}})"});
  server_.Add(KmsError("KMSInvalidStateException"));
  const auto facts = NewProvider("").Describe();
  ASSERT_TRUE(facts.has_value()) << facts.error().Sentence();
  EXPECT_EQ(facts->deletion_at, "2027-01-01T00:00:00Z");
}

TEST_F(AwsProvider, NamesTheMissingPermissionAndItsRemedy) {
  server_.Add(KmsError("AccessDeniedException"));
  const KmsFailure failure = NewProvider("").Unwrap(wrapped_, {}).error();
  EXPECT_EQ(failure.Sentence(), "Decrypt: AccessDeniedException: the words");
  EXPECT_THAT(failure.remedy, testing::HasSubstr("\"Action\":\"kms:Decrypt\""));
}

TEST_F(AwsProvider, IdentifiesAsTheAssumedRole) {
  server_.Add(SessionAnswer("AssumeRole", "ASIA1"));
  EXPECT_EQ(NewProvider(kRole).Identify().value_or(""),
            "arn:aws:sts::111122223333:assumed-role/r/freehold");
}

}  // namespace
}  // namespace freehold::aws
