#include "kms/aws/aws_config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/service/fake_surroundings.h"

namespace freehold::aws {
namespace {

constexpr std::string_view kConfigFile = R"(
# a comment
[default]
region = eu-west-1
endpoint_url = http://127.0.0.1:1
[profile dev]
region=us-east-1   ; trailing words
role_arn = arn:aws:iam::111122223333:role/r
source_profile = default
external_id = a#b
services = local
[services local]
kms =
  endpoint_url = http://127.0.0.1:2
sts =
  endpoint_url = http://127.0.0.1:3
)";
constexpr std::string_view kKeysFile = R"([default]
aws_access_key_id = AKIDFILE
aws_secret_access_key = the/secret=
aws_session_token = token
)";

TEST(AwsConfig, ReadsProfilesFromBothFiles) {
  const TemporaryFile config_file(kConfigFile), keys_file(kKeysFile);
  auto config = AwsConfig::Load(FakeEnvironment({{"AWS_CONFIG_FILE", config_file.path()},
                                                 {"AWS_SHARED_CREDENTIALS_FILE", keys_file.path()},
                                                 {"AWS_PROFILE", "dev"}}));
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->profile_name(), "dev");
  const Profile* dev = config->FindProfile("dev");
  ASSERT_NE(dev, nullptr);
  EXPECT_EQ(dev->Get("region"), "us-east-1");
  EXPECT_EQ(dev->Get("external_id"), "a#b");
  EXPECT_EQ(dev->Get("source_profile"), "default");
  const Profile* base = config->FindProfile("default");
  ASSERT_NE(base, nullptr);
  EXPECT_EQ(base->Get("aws_access_key_id"), "AKIDFILE");
  EXPECT_EQ(AsText(base->secret_access_key.ExposeSecret()), "the/secret=");
  EXPECT_EQ(AsText(base->session_token.ExposeSecret()), "token");
  EXPECT_EQ(base->Get("aws_secret_access_key"), "") << "a secret outside SecretBytes";
  EXPECT_EQ(config->FindProfile("local"), nullptr);
}

TEST(AwsConfig, TakesTheMostSpecificEndpoint) {
  const TemporaryFile config_file(kConfigFile);
  const auto endpoint = [&](std::map<std::string, std::string> variables, const char* service) {
    variables["AWS_CONFIG_FILE"] = config_file.path();
    auto config = AwsConfig::Load(FakeEnvironment(variables));
    return config.ok() ? config->EndpointUrl(service, "eu-west-1") : config.error().message();
  };
  EXPECT_EQ(endpoint({}, "kms"), "http://127.0.0.1:1");
  EXPECT_EQ(endpoint({{"AWS_PROFILE", "dev"}}, "kms"), "http://127.0.0.1:2");
  EXPECT_EQ(endpoint({{"AWS_PROFILE", "dev"}}, "sts"), "http://127.0.0.1:3");
  EXPECT_EQ(endpoint({{"AWS_ENDPOINT_URL", "http://127.0.0.1:4"}}, "kms"), "http://127.0.0.1:4");
  EXPECT_EQ(endpoint({{"AWS_ENDPOINT_URL", "http://127.0.0.1:4"},
                      {"AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:5"}},
                     "kms"),
            "http://127.0.0.1:5");
  EXPECT_EQ(endpoint({{"AWS_ENDPOINT_URL", "http://127.0.0.1:4"},
                      {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}},
                     "kms"),
            "https://kms.eu-west-1.amazonaws.com");
}

TEST(AwsConfig, KnowsThePartitionsSuffixes) {
  auto config = AwsConfig::Load(FakeEnvironment({}));
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->EndpointUrl("sts", "us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(config->EndpointUrl("kms", "cn-north-1"), "https://kms.cn-north-1.amazonaws.com.cn");
}

TEST(AwsConfig, UsesFipsEndpointsWhenAsked) {
  const auto url = [](std::map<std::string, std::string> variables) {
    return AwsConfig::Load(FakeEnvironment(std::move(variables)))->EndpointUrl("kms", "us-east-1");
  };
  EXPECT_EQ(url({{"AWS_USE_FIPS_ENDPOINT", "true"}}), "https://kms-fips.us-east-1.amazonaws.com");
  EXPECT_EQ(url({{"AWS_USE_FIPS_ENDPOINT", "false"}}), "https://kms.us-east-1.amazonaws.com");
  const TemporaryFile file("[default]\nuse_fips_endpoint = true\n");
  EXPECT_EQ(url({{"AWS_CONFIG_FILE", file.path()}}), "https://kms-fips.us-east-1.amazonaws.com");
  // What is configured, a VPC's endpoint say, is taken as it is.
  EXPECT_EQ(url({{"AWS_CONFIG_FILE", file.path()},
                 {"AWS_ENDPOINT_URL_KMS", "https://vpce-1.kms.us-east-1.vpce.amazonaws.com"}}),
            "https://vpce-1.kms.us-east-1.vpce.amazonaws.com");
}

TEST(AwsConfig, TakesMissingFilesForEmptyAndRefusesUnreadableOnes) {
  EXPECT_TRUE(AwsConfig::Load(FakeEnvironment({{"AWS_CONFIG_FILE", "/nonexistent/config"}})).ok());
  auto directory = AwsConfig::Load(FakeEnvironment({{"AWS_CONFIG_FILE", "/tmp"}}));
  ASSERT_FALSE(directory.ok());
  EXPECT_THAT(directory.error().message(), testing::HasSubstr("/tmp"));
}

TEST(AwsConfig, SurvivesGarbage) {
  const TemporaryFile garbage("[\n]\n= =\n[profile]\nx\n[default\n  a = b\n\x01=\n  c=d\n[]\n");
  EXPECT_TRUE(AwsConfig::Load(FakeEnvironment({{"AWS_CONFIG_FILE", garbage.path()}})).ok());
}

}  // namespace
}  // namespace freehold::aws
