#include "kms/aws/sts.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/aws/fake_answers.h"
#include "net/scripted_server.h"

namespace freehold::aws {
namespace {

constexpr const char* kRole = "arn:aws:iam::111122223333:role/r";

class Sts : public testing::Test {
 protected:
  ScriptedServer server_;
  StsClient client_{{server_.Url(), {"eu-west-1", "sts"}, ""}, FakeSurroundings({})};
};

TEST_F(Sts, AssumesARoleWithTheExternalIdForTheShortestSession) {
  server_.Add(SessionAnswer("AssumeRole", "ASIA1"));
  auto session = client_.AssumeRole(TestCredentials(), kRole, "org 1&2");
  ASSERT_TRUE(session.has_value()) << session.error().Sentence();
  EXPECT_EQ(session->credentials.access_key_id, "ASIA1");
  EXPECT_EQ(AsText(session->credentials.secret_access_key.ExposeSecret()), "session/secret");
  EXPECT_EQ(session->arn, "arn:aws:sts::111122223333:assumed-role/r/freehold");
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.body,
            "Action=AssumeRole&DurationSeconds=900&ExternalId=org%201%262&"
            "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr&RoleSessionName=freehold&"
            "Version=2011-06-15");
  EXPECT_THAT(FindHeader(request.headers, "authorization").value_or(""),
              testing::HasSubstr("/eu-west-1/sts/aws4_request"));
}

TEST_F(Sts, SendsNoExternalIdWhenThereIsNone) {
  server_.Add(SessionAnswer("AssumeRole", "ASIA1"));
  ASSERT_TRUE(client_.AssumeRole(TestCredentials(), kRole, "").has_value());
  EXPECT_THAT(server_.Requests().at(0).body, testing::Not(testing::HasSubstr("ExternalId")));
}

TEST_F(Sts, WithdrawnTrustIsADenialAndIsAskedForOnce) {
  server_.Add(StsError(403, "AccessDenied"));
  auto session = client_.AssumeRole(TestCredentials(), kRole, "");
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().kms_class, KmsClass::kDenied);
  EXPECT_EQ(session.error().operation, "AssumeRole");
  EXPECT_EQ(server_.Requests().size(), 1u);
}

TEST_F(Sts, TriesAgainAfterAnOutage) {
  server_.Add({503, {}, ""});
  server_.Add(SessionAnswer("AssumeRole", "ASIA2"));
  EXPECT_TRUE(client_.AssumeRole(TestCredentials(), kRole, "").has_value());
}

TEST_F(Sts, ShowsAWebIdentityTokenUnsigned) {
  server_.Add(SessionAnswer("AssumeRoleWithWebIdentity", "ASIA3"));
  auto session =
      client_.AssumeRoleWithWebIdentity(kRole, "", SecretBytes::CopyOf(AsBytes("ey.J.x")));
  ASSERT_TRUE(session.has_value());
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_THAT(request.body, testing::HasSubstr("WebIdentityToken=ey.J.x"));
  EXPECT_EQ(FindHeader(request.headers, "authorization"), std::nullopt);
}

TEST_F(Sts, SaysWhoWeAre) {
  server_.Add({200,
               {},
               "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:me</Arn>"
               "</GetCallerIdentityResult></GetCallerIdentityResponse>"});
  EXPECT_EQ(client_.GetCallerIdentity(TestCredentials()).value_or(""), "arn:me");
}

TEST_F(Sts, TakesAnOddAnswerForAmbiguous) {
  for (const char* body : {"", "<", "{}", "<AssumeRoleResponse/>",
                           "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId/>"
                           "</Credentials></AssumeRoleResult></AssumeRoleResponse>"}) {
    server_.Add({200, {}, body});
    auto session = client_.AssumeRole(TestCredentials(), kRole, "");
    ASSERT_FALSE(session.has_value()) << body;
    EXPECT_EQ(session.error().kms_class, KmsClass::kAmbiguous) << body;
  }
}

}  // namespace
}  // namespace freehold::aws
