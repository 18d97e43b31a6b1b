#include "kms/azure/credentials.h"

#include <boost/json.hpp>

#include "crypto/certificate.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/azure/fake_answers.h"
#include "kms/service/jwt.h"
#include "net/scripted_server.h"

namespace freehold::azure {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kTenant = "11111111-2222-4333-8444-555555555555";

class Credentials : public testing::Test {
 protected:
  KmsResult<AccessToken> Fetch(Variables variables, const std::string& principal = kTenant,
                               const std::string& key = "https://acme.vault.azure.net/keys/k") {
    variables.emplace("AZURE_AUTHORITY_HOST", server_.Url());
    const KeyAccess access{*KeyUri::Parse(key), principal, ""};
    const Surroundings surroundings = FakeSurroundings(std::move(variables));
    const auto place = PlaceOf(access.uri.azure(), surroundings);
    if (!place.has_value()) return tl::unexpected(place.error());
    return FetchToken(*place, access, surroundings);
  }
  // Field of the form that was sent, percent-encoded.
  std::string Sent(const std::string& name) {
    const std::string body = "&" + server_.Requests().at(0).body + "&";
    const auto at = body.find("&" + name + "=");
    if (at == std::string::npos) return "";
    const auto start = at + name.size() + 2;
    return body.substr(start, body.find('&', start) - start);
  }

  ScriptedServer server_;
};

TEST_F(Credentials, ShowASecretToTheCustomersTenant) {
  server_.Add(TokenAnswer("eyJ-token"));
  const auto token = Fetch({{"AZURE_CLIENT_ID", "app-1"},
                            {"AZURE_CLIENT_SECRET", "s&cret"},
                            {"AZURE_TENANT_ID", "our-own-tenant"}});
  ASSERT_TRUE(token.has_value()) << token.error().Sentence();
  EXPECT_EQ(AsText(token->text.ExposeSecret()), "eyJ-token");
  EXPECT_EQ(token->audience, "https://vault.azure.net");
  EXPECT_EQ(server_.Requests().at(0).target, std::string("/") + kTenant + "/oauth2/v2.0/token");
  EXPECT_EQ(server_.Requests().at(0).body,
            "client_id=app-1&client_secret=s%26cret&grant_type=client_credentials&"
            "scope=https%3A%2F%2Fvault.azure.net%2F.default");
}

TEST_F(Credentials, UseOurOwnTenantWithoutAPrincipal) {
  server_.Add(TokenAnswer());
  ASSERT_TRUE(Fetch({{"AZURE_CLIENT_ID", "a"},
                     {"AZURE_CLIENT_SECRET", "s"},
                     {"AZURE_TENANT_ID", "contoso.com"}},
                    "")
                  .has_value());
  EXPECT_EQ(server_.Requests().at(0).target, "/contoso.com/oauth2/v2.0/token");
}

TEST_F(Credentials, AskForTheServiceOfTheKeysHostAndCloud) {
  for (const auto& [host, scope] : std::initializer_list<std::pair<std::string, std::string>>{
           {"h.managedhsm.azure.net", "https%3A%2F%2Fmanagedhsm.azure.net%2F.default"},
           {"v.vault.azure.cn", "https%3A%2F%2Fvault.azure.cn%2F.default"},
           {"v.vault.usgovcloudapi.net", "https%3A%2F%2Fvault.usgovcloudapi.net%2F.default"}}) {
    server_.Add(TokenAnswer());
    ASSERT_TRUE(Fetch({{"AZURE_CLIENT_ID", "a"}, {"AZURE_CLIENT_SECRET", "s"}}, kTenant,
                      "https://" + host + "/keys/k")
                    .has_value());
    EXPECT_THAT(server_.Requests().back().body, HasSubstr("scope=" + scope));
  }
}

TEST_F(Credentials, GoToTheEntraOfThePublicCloudOrTheOneThatIsConfigured) {
  const auto place = [](const char* host, const std::string& authority) {
    return PlaceOf(AzureKeyId{host, "k", ""},
                   FakeSurroundings({{"AZURE_AUTHORITY_HOST", authority}}));
  };
  EXPECT_EQ(place("v.vault.azure.net", "")->authority, "https://login.microsoftonline.com");
  EXPECT_EQ(place("v.vault.azure.cn", "login.chinacloudapi.cn")->authority,
            "https://login.chinacloudapi.cn");
  for (const char* host : {"v.vault.azure.cn", "v.managedhsm.usgovcloudapi.net"}) {
    const auto refused = place(host, "");  // a key's name does not decide who gets our secret
    ASSERT_FALSE(refused.has_value()) << host;
    EXPECT_EQ(refused.error().meaning, KmsMeaning::kOurConfiguration);
  }
}

TEST_F(Credentials, SignAnAssertionWithACertificate) {
  const RsaKey key = *RsaKey::Generate(2048);
  const std::string certificate =
      MakeAuthority("freehold", SystemClock().Wall())->certificate_pem;  // any will do
  const TemporaryFile file(certificate + std::string(AsText(key.PrivatePem().ExposeSecret())));
  server_.Add(TokenAnswer());
  ASSERT_TRUE(Fetch({{"AZURE_CLIENT_ID", "app-1"}, {"AZURE_CLIENT_CERTIFICATE_PATH", file.path()}})
                  .has_value());
  EXPECT_EQ(Sent("client_assertion_type"),
            "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer");
  const std::string assertion = Sent("client_assertion");
  EXPECT_TRUE(VerifyJwt(assertion, key).ok());
  const Jwt jwt = *ReadJwtUnverified(assertion);
  EXPECT_EQ(TextOf(jwt.header, "x5t#S256"), Base64UrlEncode(*CertificateThumbprint(certificate)));
  EXPECT_EQ(TextOf(jwt.claims, "iss"), "app-1");
  EXPECT_EQ(TextOf(jwt.claims, "sub"), "app-1");
  EXPECT_EQ(TextOf(jwt.claims, "aud"), server_.Url() + "/" + kTenant + "/oauth2/v2.0/token");
  EXPECT_EQ(jwt.claims.at("exp").as_int64() - jwt.claims.at("nbf").as_int64(), 600);
  EXPECT_EQ(server_.Requests().at(0).body.find("PRIVATE"), std::string::npos);
}

TEST_F(Credentials, ShowAFederatedTokenFromAFile) {
  const TemporaryFile file("ey.federated.x\n");
  server_.Add(TokenAnswer());
  ASSERT_TRUE(Fetch({{"AZURE_CLIENT_ID", "app-1"}, {"AZURE_FEDERATED_TOKEN_FILE", file.path()}})
                  .has_value());
  EXPECT_EQ(Sent("client_assertion"), "ey.federated.x");
}

TEST_F(Credentials, PreferTheSecretThenTheCertificateThenTheFederatedToken) {
  const TemporaryFile token("ey.federated.x");
  server_.Add(TokenAnswer());
  ASSERT_TRUE(Fetch({{"AZURE_CLIENT_ID", "a"},
                     {"AZURE_CLIENT_SECRET", "s"},
                     {"AZURE_CLIENT_CERTIFICATE_PATH", "/nowhere"},
                     {"AZURE_FEDERATED_TOKEN_FILE", token.path()}})
                  .has_value());
  EXPECT_EQ(Sent("client_secret"), "s");
  const auto certificate = Fetch({{"AZURE_CLIENT_ID", "a"},
                                  {"AZURE_CLIENT_CERTIFICATE_PATH", "/nowhere"},
                                  {"AZURE_FEDERATED_TOKEN_FILE", token.path()}});
  EXPECT_EQ(certificate.error().meaning, KmsMeaning::kOurCredentials);
  EXPECT_THAT(certificate.error().message, HasSubstr("/nowhere"));
}

TEST_F(Credentials, AskTheMachinesOwnIdentityLast) {
  server_.Add(TokenAnswer());
  const auto token = Fetch({{"IDENTITY_ENDPOINT", server_.Url() + "/msi/token"},
                            {"IDENTITY_HEADER", "h1"},
                            {"AZURE_CLIENT_ID", "mine"}},
                           "");
  ASSERT_TRUE(token.has_value()) << token.error().Sentence();
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target,
            "/msi/token?api-version=2019-08-01&client_id=mine&"
            "resource=https%3A%2F%2Fvault.azure.net");
  EXPECT_EQ(FindHeader(request.headers, "x-identity-header"), "h1");
}

TEST_F(Credentials, AskTheInstanceMetadataServiceWithItsHeader) {
  server_.Add(TokenAnswer());
  ASSERT_TRUE(Fetch({{"AZURE_POD_IDENTITY_AUTHORITY_HOST", server_.Url()}}, "").has_value());
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.target,
            "/metadata/identity/oauth2/token?api-version=2018-02-01&"
            "resource=https%3A%2F%2Fvault.azure.net");
  EXPECT_EQ(FindHeader(request.headers, "metadata"), "true");
  server_.Add({400, {}, R"({"error":"invalid_request","error_description":"Identity not found"})"});
  const auto refused = Fetch({{"AZURE_POD_IDENTITY_AUTHORITY_HOST", server_.Url()}}, "");
  EXPECT_EQ(refused.error().meaning, KmsMeaning::kOurCredentials);
  EXPECT_EQ(refused.error().Sentence(), "managed identity: HTTP 400: Identity not found");
}

TEST_F(Credentials, DoNotTakeAManagedIdentityAcrossTenants) {
  const auto token = Fetch({{"IDENTITY_ENDPOINT", server_.Url()}, {"IDENTITY_HEADER", "h1"}});
  EXPECT_EQ(token.error().meaning, KmsMeaning::kOurCredentials);
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(Credentials, RefuseWhatIsNoTenant) {
  for (const char* tenant : {"a/b", "..%2f", "x y", "a?b"}) {
    const auto token = Fetch({{"AZURE_CLIENT_ID", "a"}, {"AZURE_CLIENT_SECRET", "s"}}, tenant);
    EXPECT_EQ(token.error().kms_class, KmsClass::kOurs) << tenant;
  }
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(Credentials, StandInsNeedAnEntraOnThisMachine) {
  const AzureKeyId key{"v.vault.azure.net", "k", ""};
  const auto place = [&](const std::string& vault, const std::string& authority) {
    return PlaceOf(key, FakeSurroundings({{"FREEHOLD_AZURE_VAULT_ENDPOINT", vault},
                                          {"AZURE_AUTHORITY_HOST", authority}}));
  };
  EXPECT_TRUE(place("https://127.0.0.1:1", "https://localhost:2").has_value());
  EXPECT_TRUE(place("https://[::1]:1", "127.0.0.1:2").has_value());
  for (const auto& [vault, authority] : std::initializer_list<std::pair<const char*, const char*>>{
           {"https://127.0.0.1:1", ""},
           {"https://127.0.0.1:1", "https://login.microsoftonline.com"},
           {"https://127.0.0.1.evil.example", "https://127.0.0.1:2"},
           {"https://evil.example", "https://127.0.0.1:2"},
           {"https://x@127.0.0.1", "https://127.0.0.1:2"}}) {
    ASSERT_FALSE(place(vault, authority).has_value()) << vault << authority;
    EXPECT_EQ(place(vault, authority).error().meaning, KmsMeaning::kOurConfiguration);
  }
}

TEST_F(Credentials, AreInNoMessage) {
  const TemporaryFile token("ey.secret-token.x");
  for (const HttpResponse& answer :
       {EntraError(401, "invalid_client", 7000215), HttpResponse{500, {}, "{"},
        HttpResponse{200, {}, "[]"}, HttpResponse{200, {}, R"({"access_token":""})"}}) {
    for (const Variables& variables : std::initializer_list<Variables>{
             {{"AZURE_CLIENT_ID", "a"}, {"AZURE_CLIENT_SECRET", "ey.secret-token.x"}},
             {{"AZURE_CLIENT_ID", "a"}, {"AZURE_FEDERATED_TOKEN_FILE", token.path()}}}) {
      server_.Add(answer);
      if (answer.status == 500) server_.Add(answer);
      const auto failed = Fetch(variables);
      ASSERT_FALSE(failed.has_value());
      EXPECT_THAT(failed.error().Sentence(), Not(HasSubstr("secret-token")));
    }
  }
}

}  // namespace
}  // namespace freehold::azure
