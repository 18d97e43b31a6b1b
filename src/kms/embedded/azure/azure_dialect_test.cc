#include "kms/embedded/azure/azure_dialect.h"

#include <boost/json.hpp>
#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/embedded/azure/client_check.h"
#include "kms/embedded/azure/roles.h"
#include "kms/embedded/azure/routes.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;
using std::chrono::hours;

TEST(AzureRoutes, TellsOperationsByMethodAndPath) {
  const auto operation = [](const char* method, const char* target) -> std::string {
    const auto route = RouteOf({method, target, {}, "", ""});
    if (!route) return "not ours";
    if (!route->entra.empty()) return route->entra + " " + route->tenant;
    if (route->operation == nullptr) return "unknown";
    return std::string(route->operation->name) + " " + route->key + " " + route->version;
  };
  EXPECT_EQ(operation("GET", "/keys?api-version=7.4"), "KeyList  ");
  EXPECT_EQ(operation("GET", "/keys/k?api-version=7.4"), "KeyGet k ");
  EXPECT_EQ(operation("GET", "/keys/k/v1"), "KeyGet k v1");
  EXPECT_EQ(operation("GET", "/keys/k/versions"), "KeyListVersions k ");
  EXPECT_EQ(operation("GET", "/keys/k/rotationpolicy"), "KeyRotationPolicyGet k ");
  EXPECT_EQ(operation("PATCH", "/keys/k/"), "KeyUpdate k ");
  EXPECT_EQ(operation("POST", "/keys/k/v1/unwrapkey"), "KeyUnwrap k v1");
  EXPECT_EQ(operation("POST", "/keys/k//unwrapkey"), "KeyUnwrap k ");
  EXPECT_EQ(operation("POST", "/keys/k/v1/UnwrapKey"), "KeyUnwrap k v1");
  EXPECT_EQ(operation("DELETE", "/deletedkeys/k"), "KeyPurge k ");
  EXPECT_EQ(operation("POST", "/deletedkeys/k/recover"), "KeyRecover k ");
  EXPECT_EQ(operation("POST", "/t1/oauth2/v2.0/token"), "GetToken t1");
  EXPECT_EQ(operation("GET", "/t1/v2.0/.well-known/openid-configuration"),
            "OpenIdConfiguration t1");
  EXPECT_EQ(operation("GET", "/common/discovery/instance?x=y"), "InstanceDiscovery common");
  EXPECT_EQ(operation("POST", "/keys/k/v1/sign"), "unknown");
  for (const char* target : {"/", "/v1/transit/keys/k", "/v1/projects/p/locations/l", "keys", "*",
                             "/a/b/oauth2/v2.0/token", "/oauth2/v2.0/token", "/keysx"}) {
    EXPECT_EQ(operation("POST", target), "not ours") << target;
  }
}

TEST(AzureState, ComesBackAsItWasWritten) {
  State state;
  state.tenants["t"] = {"t", "customer", {{"a", "o"}}};
  state.applications["a"] = {"a", "app", "t", {{{1, 2}, {3}, {4}, {5}, TimeOf(7)}}};
  Vault& vault = state.vaults["v.vault.azure.net"];
  vault = {"v.vault.azure.net", "t", true, true, {}, {}};
  KeyVersion version{"0123", "RSA",     {1},          {2},       {3},      {"wrapKey"},
                     false,  TimeOf(1), std::nullopt, TimeOf(2), TimeOf(3)};
  vault.keys["k"] = {"K", {version}, {{"x", "y"}}, "{}", TimeOf(4), TimeOf(5)};
  state.assignments.push_back({"Key Vault Reader", "a", "v.vault.azure.net", "k"});
  state.sealed_signing_key = {9};
  const std::string text = EncodeState(state);
  const auto decoded = DecodeState(text);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(EncodeState(*decoded), text);
  EXPECT_EQ(decoded->vaults.begin()->second.keys.at("k").newest().expires, TimeOf(1));
  for (const char* bad : {"", "{", "[]", "{}", R"({"tenants":{}})"}) {
    EXPECT_FALSE(DecodeState(bad).ok()) << bad;
  }
}

TEST(AzureRoles, AllowNothingThatIsNotAssigned) {
  State state;
  const Vault vault{"v.vault.azure.net", "t", false, false, {}, {}};
  const Caller caller{"a", "o", "t"};
  const auto may = [&](const char* key, const char* action) {
    return Authorize(state, caller, vault, key, action).ok();
  };
  EXPECT_FALSE(may("k", "keys/read"));
  state.assignments = {{"Key Vault Crypto Service Encryption User", "a", vault.host, "k"}};
  EXPECT_TRUE(may("k", "keys/unwrap/action"));
  EXPECT_FALSE(may("j", "keys/unwrap/action"));
  EXPECT_FALSE(may("", "keys/read"));
  EXPECT_FALSE(may("k", "keys/decrypt/action"));
  EXPECT_FALSE(may("k", "keyrotationpolicies/read"));
  state.assignments = {{"Key Vault Crypto Officer", "a", "other.vault.azure.net", ""},
                       {"Key Vault Crypto Officer", "b", vault.host, ""}};
  EXPECT_FALSE(may("k", "keys/read"));
  EXPECT_TRUE(IsRole("Key Vault Reader"));
  EXPECT_FALSE(IsRole("Owner"));
}

class AzureDialectInTime : public testing::Test {
 protected:
  AzureDialectInTime() {
    master_.emplace(*MasterKey::Open(directory_, true));
    dialect_ = *OpenAzureDialect(directory_, *master_, clock_);
    [[maybe_unused]] const auto written = dialect_->WriteFiles(directory_, "https://127.0.0.1:1");
    app_ = *dialect_->Obey({{"command", "app"}, {"name", "a"}, {"tenant", "customer"}});
    EXPECT_TRUE(dialect_
                    ->Obey({{"command", "assign"},
                            {"role", "Key Vault Crypto Officer"},
                            {"app", "a"},
                            {"scope", "embedded"}})
                    .ok());
  }
  ~AzureDialectInTime() override {
    const std::string command = "rm -r " + directory_;
    [[maybe_unused]] const int code = std::system(command.c_str());
  }

  static std::string NewDirectory() {
    std::string path = "/tmp/freehold-test-XXXXXX";  // mkdtemp fills in the last six
    return mkdtemp(path.data());
  }

  HttpResponse Send(const std::string& method, const std::string& target, const std::string& body) {
    DialectCall call;
    call.now = clock_.Wall();
    HttpRequest request{method, target, {{"host", "127.0.0.1"}}, body, ""};
    if (!token_.empty()) request.headers.emplace_back("authorization", "Bearer " + token_);
    return dialect_->Handle(request, call);
  }
  json::object Ask(const std::string& method, const std::string& path, const json::object& body) {
    token_.clear();
    const auto token = Send("POST", "/customer/oauth2/v2.0/token",
                            EncodeForm({{"grant_type", "client_credentials"},
                                        {"client_id", TextOf(app_, "client_id")},
                                        {"client_secret", TextOf(app_, "client_secret")},
                                        {"scope", "https://vault.azure.net/.default"}}));
    token_ = TextOf(json::parse(token.body).as_object(), "access_token");
    return json::parse(Send(method, path + "?api-version=7.4", json::serialize(body)).body)
        .as_object();
  }

  const std::string directory_ = NewDirectory();
  FakeClock clock_;
  std::optional<MasterKey> master_;
  std::unique_ptr<Dialect> dialect_;
  json::object app_;
  std::string token_;
};

TEST_F(AzureDialectInTime, RotatesWhenThePolicySaysSo) {
  Ask("POST", "/keys/k/create", {{"kty", "RSA"}});
  Ask("PUT", "/keys/k/rotationpolicy",
      {{"lifetimeActions", json::array{json::object{{"trigger", {{"timeAfterCreate", "P30D"}}},
                                                    {"action", {{"type", "Rotate"}}}}}}});
  clock_.Advance(hours(24 * 29));
  ASSERT_TRUE(dialect_->DoWhatIsDue(clock_.Wall()).ok());
  EXPECT_EQ(Ask("GET", "/keys/k/versions", {}).at("value").as_array().size(), 1u);
  clock_.Advance(hours(24 * 2));
  ASSERT_TRUE(dialect_->DoWhatIsDue(clock_.Wall()).ok());
  ASSERT_TRUE(dialect_->DoWhatIsDue(clock_.Wall()).ok());
  EXPECT_EQ(Ask("GET", "/keys/k/versions", {}).at("value").as_array().size(), 2u);
}

TEST_F(AzureDialectInTime, PurgesADeletedKeyWhenItsRetentionIsOver) {
  Ask("POST", "/keys/k/create", {{"kty", "RSA"}});
  EXPECT_TRUE(Ask("DELETE", "/keys/k", {}).contains("scheduledPurgeDate"));
  clock_.Advance(hours(24 * kRecoverableDays - 1));
  ASSERT_TRUE(dialect_->DoWhatIsDue(clock_.Wall()).ok());
  EXPECT_TRUE(Ask("GET", "/deletedkeys/k", {}).contains("key"));
  clock_.Advance(hours(2));
  ASSERT_TRUE(dialect_->DoWhatIsDue(clock_.Wall()).ok());
  EXPECT_TRUE(Ask("GET", "/deletedkeys/k", {}).contains("error"));
}

TEST_F(AzureDialectInTime, ATokenOutlivesTheConsentAndEndsByItself) {
  Ask("GET", "/keys", {});
  ASSERT_TRUE(
      dialect_->Obey({{"command", "remove-consent"}, {"app", "a"}, {"tenant", "customer"}}).ok());
  EXPECT_EQ(Send("GET", "/keys?api-version=7.4", "").status, 200);
  clock_.Advance(hours(1));
  EXPECT_EQ(Send("GET", "/keys?api-version=7.4", "").status, 401);
}

TEST_F(AzureDialectInTime, ANewConsentBeginsWithoutTheRolesOfTheOneBefore) {
  const auto obey = [&](const char* command) {
    return dialect_->Obey({{"command", command},
                           {"app", "a"},
                           {"tenant", "customer"},
                           {"role", "Key Vault Crypto Officer"},
                           {"scope", "embedded"}});
  };
  EXPECT_FALSE(Ask("GET", "/keys", {}).contains("error"));
  ASSERT_TRUE(obey("remove-consent").ok());
  EXPECT_EQ(obey("assign").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(obey("consent").ok());
  EXPECT_TRUE(Ask("GET", "/keys", {}).contains("error"));
  ASSERT_TRUE(obey("consent").ok());
  ASSERT_TRUE(obey("assign").ok());
  ASSERT_TRUE(obey("consent").ok());  // it has it already
  EXPECT_FALSE(Ask("GET", "/keys", {}).contains("error"));
}

TEST_F(AzureDialectInTime, AKeyIsImportedUnderAGoodNameOnly) {
  Ask("GET", "/keys", {});
  const std::string body = R"({"key":{"kty":"RSA"}})";
  const std::string longest(127, 'k');
  const auto said = [&](const std::string& name) {
    return Send("PUT", "/keys/" + name + "?api-version=7.4", body).body;
  };
  for (const std::string& name : {std::string("a_b"), std::string("a.b"), longest + "k"}) {
    EXPECT_THAT(said(name), testing::HasSubstr("invalid name")) << name;
  }
  EXPECT_THAT(said(longest), testing::HasSubstr("lacks 'n'"));
}

TEST(AzureClientAssertions, HaveTimesThatAreWholeNumbers) {
  const RsaKey key = *RsaKey::Generate(2048);
  Application application;
  application.id = "a";
  application.credentials.push_back({{}, {}, key.Modulus(), key.Exponent(), TimeOf(10'000)});
  const auto is_taken = [&](const json::value& until, const json::value& from) {
    json::object claims{{"iss", "a"}, {"sub", "a"}, {"aud", "url"}};
    if (!until.is_null()) claims["exp"] = until;
    if (!from.is_null()) claims["nbf"] = from;
    ClientProof proof;
    proof.assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    proof.assertion = *SignJwt(key, {}, claims);
    return !CheckClient(application, proof, "url", TimeOf(5'000), MasterKey()).has_value();
  };
  EXPECT_TRUE(is_taken(5'100, nullptr));
  EXPECT_TRUE(is_taken(5'100, 4'900));
  EXPECT_FALSE(is_taken(nullptr, nullptr));
  EXPECT_FALSE(is_taken(5'100, 6'000));
  for (const json::value& wrong :
       {json::value(9'000.5), json::value("9000"), json::value(true), json::value(-1),
        json::value(5'000'000'000), json::value(std::uint64_t{1} << 63)}) {
    EXPECT_FALSE(is_taken(wrong, nullptr)) << wrong;
    EXPECT_FALSE(is_taken(5'100, wrong)) << wrong;
  }
}

TEST_F(AzureDialectInTime, AnswersAnythingThatIsSentToIt) {
  Ask("POST", "/keys/k/create", {{"kty", "RSA"}});
  for (const char* body :
       {"", "{", "[]", "null", R"({"alg":7,"value":{}})", R"({"alg":"RSA-OAEP-256","value":"!"})",
        R"({"alg":"A256KW","value":"AAAA"})", R"({"kty":"EC"})", R"({"kty":"RSA","key_size":512})",
        R"({"key":{"kty":"RSA","n":"AQ"}})", R"({"kty":"RSA","attributes":{"exp":-1}})", "\xff"}) {
    for (const char* target : {"/keys/k//unwrapkey", "/keys/k//wrapkey", "/keys/a%20b/create"}) {
      const HttpResponse response = Send("POST", std::string(target) + "?api-version=7.4", body);
      EXPECT_EQ(response.status, 400) << target << body;
      EXPECT_THAT(response.body, testing::HasSubstr("\"code\":\"BadParameter\""));
    }
    EXPECT_EQ(Send("PUT", "/keys/j?api-version=7.4", body).status, 400) << body;
  }
  EXPECT_EQ(
      Send("POST", "/keys/k//unwrapkey?api-version=7.4", R"({"alg":"RSA-OAEP-256","value":"AAAA"})")
          .status,
      400);
  EXPECT_EQ(Send("GET", "/keys/k", "").status, 400);  // no api-version
  EXPECT_EQ(Send("POST", "/keys/k/v/sign?api-version=7.4", "{}").status, 404);
  for (const char* command : {"", "nothing", "assign", "consent", "vault-create", "app"}) {
    EXPECT_FALSE(dialect_->Obey({{"command", command}}).ok()) << command;
  }
}

}  // namespace
}  // namespace freehold::embedded::azure
