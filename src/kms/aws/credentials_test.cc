#include "kms/aws/credentials.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/aws/fake_answers.h"
#include "net/scripted_server.h"

namespace freehold::aws {
namespace {

using Variables = std::map<std::string, std::string>;

constexpr const char* kJsonKeys =
    R"({"AccessKeyId":"ASIAJSON","SecretAccessKey":"s","Token":"t","Code":"Success"})";

class Credentials : public testing::Test {
 protected:
  // The whole chain, with STS at the scripted server.
  KmsResult<AwsCredentials> Fetch(Variables variables) {
    variables.try_emplace("AWS_EC2_METADATA_DISABLED", "true");
    const Surroundings surroundings = FakeSurroundings(variables);
    auto config = AwsConfig::Load(surroundings.environment);
    EXPECT_TRUE(config.ok());
    const ServiceEndpoint sts{server_.Url(), {"eu-west-1", "sts"}, ""};
    return FetchFrom(StandardChain(surroundings, sts, *config));
  }
  std::string IdOf(const KmsResult<AwsCredentials>& result) {
    return result.has_value() ? result->access_key_id : result.error().Sentence();
  }

  ScriptedServer server_;
};

TEST_F(Credentials, TheEnvironmentComesFirst) {
  auto found = Fetch({{"AWS_ACCESS_KEY_ID", "AKIDENV"},
                      {"AWS_SECRET_ACCESS_KEY", "s"},
                      {"AWS_SESSION_TOKEN", "t"},
                      {"AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent"},
                      {"AWS_ROLE_ARN", "r"}});
  ASSERT_EQ(IdOf(found), "AKIDENV");
  EXPECT_EQ(AsText(found->session_token.ExposeSecret()), "t");
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(Credentials, AreOursToMendWhenThereAreNone) {
  auto found = Fetch({});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().kms_class, KmsClass::kOurs);
  EXPECT_EQ(found.error().Sentence(),
            "AWS credentials: none found (looked at: environment, web identity, shared files, "
            "container, instance metadata)");
}

TEST_F(Credentials, ComeFromAWebIdentity) {
  const TemporaryFile token("ey.token");
  server_.Add(SessionAnswer("AssumeRoleWithWebIdentity", "ASIAWEB"));
  EXPECT_EQ(IdOf(Fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", token.path()}, {"AWS_ROLE_ARN", "arn:r"}})),
            "ASIAWEB");
  EXPECT_THAT(server_.Requests().at(0).body, testing::HasSubstr("WebIdentityToken=ey.token"));
}

TEST_F(Credentials, ARefusedWebIdentityIsOursAndNotTheCustomersNo) {
  const TemporaryFile token("ey.token");
  server_.Add(StsError(403, "AccessDenied"));
  auto found = Fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", token.path()}, {"AWS_ROLE_ARN", "arn:r"}});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().kms_class, KmsClass::kOurs);
}

TEST_F(Credentials, ComeFromAProfileThatAssumesARoleWithAnother) {
  const TemporaryFile config(
      "[profile a]\nrole_arn=arn:r\nsource_profile=b\nexternal_id=x1\n"
      "[profile b]\naws_access_key_id=AKIDB\naws_secret_access_key=s\n");
  server_.Add(SessionAnswer("AssumeRole", "ASIAROLE"));
  EXPECT_EQ(IdOf(Fetch({{"AWS_CONFIG_FILE", config.path()}, {"AWS_PROFILE", "a"}})), "ASIAROLE");
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_THAT(request.body, testing::HasSubstr("ExternalId=x1"));
  EXPECT_THAT(FindHeader(request.headers, "authorization").value_or(""),
              testing::HasSubstr("Credential=AKIDB/"));
}

TEST_F(Credentials, ProfilesThatDoNotWorkSayWhy) {
  const TemporaryFile config(
      "[profile circle]\nrole_arn=r\nsource_profile=circle2\n"
      "[profile circle2]\nrole_arn=r\nsource_profile=circle\n"
      "[profile alone]\nrole_arn=r\n[profile half]\naws_access_key_id=A\n"
      "[profile process]\ncredential_process=/bin/false\n");
  const auto sentence = [&](const char* profile) {
    return IdOf(Fetch({{"AWS_CONFIG_FILE", config.path()}, {"AWS_PROFILE", profile}}));
  };
  EXPECT_THAT(sentence("circle"), testing::HasSubstr("circle"));
  EXPECT_THAT(sentence("alone"), testing::HasSubstr("nothing to assume it with"));
  EXPECT_THAT(sentence("half"), testing::HasSubstr("no aws_secret_access_key"));
  EXPECT_THAT(sentence("process"), testing::HasSubstr("credential_process"));
  EXPECT_THAT(sentence("missing"), testing::HasSubstr("no profile 'missing'"));
}

TEST_F(Credentials, ComeFromAContainerWithItsTokenFile) {
  const TemporaryFile token("pod-token\n");
  server_.Add({200, {}, kJsonKeys});
  EXPECT_EQ(IdOf(Fetch({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.Url() + "/v1/creds?x=1"},
                        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path()}})),
            "ASIAJSON");
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.target, "/v1/creds?x=1");
  EXPECT_EQ(FindHeader(request.headers, "authorization"), "pod-token");
}

TEST_F(Credentials, AContainerServiceElsewhereIsNotAskedInPlainHttp) {
  auto found = Fetch({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.1.2.3/"}});
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().kms_class, KmsClass::kOurs);
}

TEST_F(Credentials, ComeFromInstanceMetadataWithATokenFirst) {
  server_.Add({200, {}, "imds-token"});
  server_.Add({200, {}, "my-role\n"});
  server_.Add({200, {}, kJsonKeys});
  auto found = Fetch({{"AWS_EC2_METADATA_DISABLED", "false"},
                      {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.Url()}});
  ASSERT_EQ(IdOf(found), "ASIAJSON");
  EXPECT_EQ(AsText(found->session_token.ExposeSecret()), "t");
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].method, "PUT");
  EXPECT_EQ(requests[0].target, "/latest/api/token");
  EXPECT_EQ(requests[2].target, "/latest/meta-data/iam/security-credentials/my-role");
  EXPECT_EQ(FindHeader(requests[2].headers, "x-aws-ec2-metadata-token"), "imds-token");
}

TEST_F(Credentials, NeverFallBackToMetadataWithoutAToken) {
  server_.Add({403, {}, ""});
  EXPECT_FALSE(Fetch({{"AWS_EC2_METADATA_DISABLED", "false"},
                      {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.Url()}})
                   .has_value());
  EXPECT_EQ(server_.Requests().size(), 1u);
}

TEST_F(Credentials, GarbageFromAMetadataServiceIsOurs) {
  for (const char* body : {"", "{", "[]", "{\"AccessKeyId\":1}", "{\"Code\":\"Failed\"}"}) {
    server_.Add({200, {}, body});
    auto found = Fetch({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.Url()}});
    ASSERT_FALSE(found.has_value()) << body;
    EXPECT_EQ(found.error().kms_class, KmsClass::kOurs) << body;
  }
}

}  // namespace
}  // namespace freehold::aws
