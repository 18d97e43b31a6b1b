#include "kms/gcp/credentials.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/gcp/endpoints.h"
#include "kms/gcp/fake_google.h"
#include "kms/service/jwt.h"
#include "net/scripted_server.h"

namespace freehold::gcp {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kOverride = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS";

class GcpCredentials : public testing::Test {
 protected:
  Surroundings With(const std::string& file) {
    return FakeSurroundings({{"GOOGLE_APPLICATION_CREDENTIALS", file}, {kOverride, server_.Url()}});
  }
  std::string ExternalFile(boost::json::object source, const std::string& impersonation = "") {
    boost::json::object file{{"type", "external_account"},
                             {"audience", "//iam.googleapis.com/pool"},
                             {"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"},
                             {"token_url", server_.Url() + "/v1/token"},
                             {"credential_source", std::move(source)}};
    if (!impersonation.empty()) file["service_account_impersonation_url"] = impersonation;
    return boost::json::serialize(file);
  }
  static std::string TextIn(const KmsResult<AccessToken>& token) {
    return token.has_value() ? std::string(AsText(token->value.ExposeSecret()))
                             : token.error().Sentence();
  }

  ScriptedServer server_;
};

TEST_F(GcpCredentials, SignsAGrantAsTheServiceAccount) {
  const TemporaryFile file(ServiceAccountFile(server_.Url() + "/token"));
  server_.Add(TokenAnswer("ya29.own"));
  const auto token = OwnToken(With(file.path()));
  EXPECT_EQ(TextIn(token), "ya29.own");
  EXPECT_EQ(token->account, kOwn);
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.target, "/token");
  EXPECT_THAT(request.body, HasSubstr("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-"
                                      "bearer"));
  const std::string assertion =
      request.body.substr(request.body.find("assertion=") + 10,
                          request.body.find('&') - request.body.find("assertion=") - 10);
  ASSERT_TRUE(VerifyJwt(assertion, FakeKey()).ok()) << assertion;
  const Jwt jwt = *ReadJwtUnverified(assertion);
  EXPECT_EQ(TextOf(jwt.header, "kid"), "key-1");
  EXPECT_EQ(TextOf(jwt.claims, "iss"), kOwn);
  EXPECT_EQ(TextOf(jwt.claims, "aud"), server_.Url() + "/token");
  EXPECT_EQ(jwt.claims.at("exp").as_int64() - jwt.claims.at("iat").as_int64(), 3600);
}

TEST_F(GcpCredentials, SendsNothingToAStranger) {
  ScriptedServer stranger;
  const TemporaryFile account(ServiceAccountFile(stranger.Url() + "/token"));
  const TemporaryFile subject("subject");
  boost::json::object source{{"file", subject.path()}};
  const TemporaryFile external(
      ExternalFile(source, stranger.Url() + "/v1/x/serviceAccounts/a:generateAccessToken"));
  for (const auto& path : {account.path(), external.path()}) {
    const auto token = OwnToken(With(path));
    ASSERT_FALSE(token.has_value());
    EXPECT_EQ(token.error().meaning, KmsMeaning::kOurConfiguration);
  }
  EXPECT_TRUE(stranger.Requests().empty());
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(GcpCredentials, TrustsGooglesHostsOverHttpsOnly) {
  const Surroundings plain = FakeSurroundings({});
  for (const char* url : {"https://oauth2.googleapis.com/token", "https://sts.googleapis.com:443/",
                          "https://iamcredentials.googleapis.com/v1"}) {
    EXPECT_TRUE(CheckTokenUrl(url, plain).ok()) << url;
  }
  for (const char* url :
       {"http://oauth2.googleapis.com/token", "https://googleapis.com.evil.example/",
        "https://evilgoogleapis.com/", "https://x@evil.example/.googleapis.com",
        "https://oauth2.googleapis.com:8443/token", "http://127.0.0.1:1/token", "file:///etc",
        ""}) {
    EXPECT_FALSE(CheckTokenUrl(url, plain).ok()) << url;
  }
}

TEST_F(GcpCredentials, ExchangesAnotherIssuersTokenFromAFile) {
  const TemporaryFile subject("subject-token\n");
  const TemporaryFile file(ExternalFile({{"file", subject.path()}}));
  server_.Add(TokenAnswer("federated"));
  EXPECT_EQ(TextIn(OwnToken(With(file.path()))), "federated");
  EXPECT_THAT(server_.Requests().at(0).body, HasSubstr("subject_token=subject-token&"));
}

TEST_F(GcpCredentials, ExchangesATokenFromAUrlAndImpersonatesItsAccount) {
  const TemporaryFile file(ExternalFile(
      {{"url", server_.Url() + "/subject"},
       {"headers", {{"x-flavor", "mine"}}},
       {"format", {{"type", "json"}, {"subject_token_field_name", "jwt"}}}},
      server_.Url() + "/v1/projects/-/serviceAccounts/" + kOwn + ":generateAccessToken"));
  server_.Add({200, {}, R"({"jwt":"from-json"})"});
  server_.Add(TokenAnswer("federated"));
  server_.Add(ImpersonationAnswer("own"));
  const auto token = OwnToken(With(file.path()));
  EXPECT_EQ(TextIn(token), "own");
  EXPECT_EQ(token->account, kOwn);
  const auto requests = server_.Requests();
  EXPECT_EQ(FindHeader(requests.at(0).headers, "x-flavor"), "mine");
  EXPECT_THAT(requests.at(1).body, HasSubstr("subject_token=from-json&"));
  EXPECT_EQ(FindHeader(requests.at(2).headers, "authorization"), "Bearer federated");
}

TEST_F(GcpCredentials, ThatOurOwnAccountRefusesUsIsNoWordOfTheCustomers) {
  const TemporaryFile subject("s");
  const TemporaryFile file(ExternalFile({{"file", subject.path()}},
                                        server_.Url() + "/serviceAccounts/a:generateAccessToken"));
  server_.Add(TokenAnswer("federated"));
  server_.Add(GoogleError(403, "PERMISSION_DENIED"));
  EXPECT_EQ(OwnToken(With(file.path())).error().meaning, KmsMeaning::kOurCredentials);
}

TEST_F(GcpCredentials, AsksTheMetadataServerWithItsHeader) {
  const Surroundings machine = FakeSurroundings({{"GCE_METADATA_HOST", server_.Url().substr(7)}});
  HttpResponse answer = TokenAnswer("machine");
  answer.headers.emplace_back("metadata-flavor", "Google");
  server_.Add(answer);
  EXPECT_EQ(TextIn(OwnToken(machine)), "machine");
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.target, "/computeMetadata/v1/instance/service-accounts/default/token");
  EXPECT_EQ(FindHeader(request.headers, "metadata-flavor"), "Google");
  server_.Add(TokenAnswer("somebody else's"));
  EXPECT_EQ(OwnToken(machine).error().meaning, KmsMeaning::kOurCredentials);
  server_.Add({404, {}, ""});
  EXPECT_EQ(OwnToken(machine).error().meaning, KmsMeaning::kOurCredentials);
}

TEST_F(GcpCredentials, NamesTheMachinesAccountToTheCustomerWhoMustTrustIt) {
  const Surroundings machine =
      FakeSurroundings({{"GCE_METADATA_HOST", server_.Url().substr(7)},
                        {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", server_.Url()}});
  HttpResponse answer = TokenAnswer("machine");
  answer.headers.emplace_back("metadata-flavor", "Google");
  server_.Add(answer);
  server_.Add(GoogleError(403, "PERMISSION_DENIED"));
  server_.Add({200, {}, std::string(R"({"email":")") + kOwn + "\"}"});
  const auto refused = GetToken({*KeyUri::Parse(kKeyName), kCustomers, ""}, machine);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().remedy, HasSubstr(std::string("--member serviceAccount:") + kOwn));
}

TEST_F(GcpCredentials, ActsForTheCustomersAccountForFifteenMinutes) {
  const TemporaryFile file(ServiceAccountFile(server_.Url() + "/token"));
  Surroundings surroundings =
      FakeSurroundings({{"GOOGLE_APPLICATION_CREDENTIALS", file.path()},
                        {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", server_.Url() + "/"}});
  const KeyAccess access{*KeyUri::Parse(kKeyName), kCustomers, ""};
  server_.Add(TokenAnswer("own"));
  server_.Add(ImpersonationAnswer("customers"));
  EXPECT_EQ(TextIn(GetToken(access, surroundings)), "customers");
  const HttpRequest request = server_.Requests().at(1);
  EXPECT_EQ(request.target,
            std::string("/v1/projects/-/serviceAccounts/") + kCustomers + ":generateAccessToken");
  EXPECT_THAT(request.body, HasSubstr(R"("lifetime":"900s")"));
  server_.Add(TokenAnswer("own"));
  server_.Add(GoogleError(403, "PERMISSION_DENIED"));
  const KmsFailure refused = GetToken(access, surroundings).error();
  EXPECT_EQ(refused.meaning, KmsMeaning::kTrustWithdrawn);
  EXPECT_THAT(refused.remedy, HasSubstr("roles/iam.serviceAccountTokenCreator"));
}

TEST_F(GcpCredentials, BecomesTheClustersAccountFirstAndThatItMayNotIsOurTrouble) {
  const TemporaryFile file(ServiceAccountFile(server_.Url() + "/token"));
  const char* kClusters = "fh-9e946b11-c434@operator.iam.gserviceaccount.com";
  const Surroundings surroundings =
      FakeSurroundings({{"GOOGLE_APPLICATION_CREDENTIALS", file.path()},
                        {"FREEHOLD_GCP_ACCOUNT", kClusters},
                        {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", server_.Url() + "/"}});
  const KeyAccess access{*KeyUri::Parse(kKeyName), kCustomers, ""};
  server_.Add(TokenAnswer("own"));
  server_.Add(ImpersonationAnswer("clusters"));
  server_.Add(ImpersonationAnswer("customers"));
  EXPECT_EQ(TextIn(GetToken(access, surroundings)), "customers");
  EXPECT_THAT(server_.Requests().at(1).target, HasSubstr(kClusters));
  EXPECT_THAT(server_.Requests().at(1).body, HasSubstr("auth/iam"));
  EXPECT_THAT(server_.Requests().at(2).target, HasSubstr(kCustomers));
  server_.Add(TokenAnswer("own"));
  server_.Add(GoogleError(403, "PERMISSION_DENIED"));
  const KmsFailure refused = GetToken(access, surroundings).error();
  EXPECT_EQ(refused.kms_class, KmsClass::kOurs);
}

TEST_F(GcpCredentials, RefusesWhatIsNoCredentialsFileAndTellsNoSecret) {
  const TemporaryFile user(R"({"type":"authorized_user","refresh_token":"hidden-secret"})");
  const TemporaryFile bare(R"({"type":"service_account","private_key":"hidden-secret"})");
  const TemporaryFile bad(
      R"({"type":"service_account","private_key":"hidden-secret","client_email":"a","token_uri":"b"})");
  const TemporaryFile aws(ExternalFile({{"environment_id", "aws1"}, {"url", "http://127.0.0.1/"}}));
  const TemporaryFile garbage("hidden-secret");
  for (const auto& path : {user.path(), bare.path(), bad.path(), aws.path(), garbage.path(),
                           std::string("/no/file")}) {
    const auto token = OwnToken(With(path));
    ASSERT_FALSE(token.has_value()) << path;
    EXPECT_EQ(token.error().meaning, KmsMeaning::kOurCredentials);
    EXPECT_THAT(token.error().Sentence(), Not(HasSubstr("hidden-secret")));
  }
}

}  // namespace
}  // namespace freehold::gcp
