#include "kms/azure/azure_key_provider.h"

#include <boost/json.hpp>

#include "crypto/crypto.h"
#include "crypto/rsa.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/azure/fake_answers.h"
#include "kms/azure/payload.h"
#include "net/scripted_server.h"

namespace freehold::azure {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* kHost = "acme.vault.azure.net";
const std::string kVersion = "0123456789abcdef0123456789abcdef";
const std::string kOther = "ffffffffffffffffffffffffffffffff";
const EncryptionContext kContext{{"freehold:cluster", "c1"}};

class AzureProvider : public testing::Test {
 protected:
  AzureKeyProvider NewProvider(const std::string& version = "") {
    Surroundings surroundings =
        FakeSurroundings({{"AZURE_CLIENT_ID", "app-1"},
                          {"AZURE_CLIENT_SECRET", "very-secret"},
                          {"AZURE_AUTHORITY_HOST", server_.Url()},
                          {"FREEHOLD_AZURE_VAULT_ENDPOINT", server_.Url()}});
    surroundings.clock = &clock_;
    const std::string path = version.empty() ? "" : "/" + version;
    return AzureKeyProvider(
        {*KeyUri::Parse(std::string("https://") + kHost + "/keys/Orders" + path), "tenant-1", ""},
        surroundings);
  }
  static std::string Kid(const std::string& version, const std::string& key = "Orders",
                         const std::string& host = kHost) {
    return "https://" + host + "/keys/" + key + "/" + version;
  }
  static HttpResponse Bundle(const std::string& kid, const std::string& type = "RSA",
                             json::object attributes = {{"enabled", true},
                                                        {"recoveryLevel", "Recoverable"}}) {
    const json::object body{{"key",
                             {{"kid", kid},
                              {"kty", type},
                              {"n", Base64UrlEncode(Bytes(256, 0x81))},
                              {"key_ops", {"wrapKey", "unwrapKey"}}}},
                            {"attributes", std::move(attributes)}};
    return {200, {}, json::serialize(body)};
  }
  static HttpResponse Result(const std::string& kid, ByteView value) {
    return {
        200, {}, json::serialize(json::object{{"kid", kid}, {"value", Base64UrlEncode(value)}})};
  }
  static WrappedKey Wrapped(const std::string& version = kVersion) {
    return {{1, 2, 3}, version, "RSA-OAEP-256"};
  }
  static Bytes Payload(const EncryptionContext& context = kContext) {
    return ToBytes(SealContext(SecretBytes::CopyOf(Bytes(32, 7)), context).ExposeSecret());
  }
  KmsFailure UnwrapFailure(const HttpResponse& answer) {
    server_.Add(TokenAnswer());
    server_.Add(answer);
    auto result = NewProvider().Unwrap(Wrapped(), kContext);
    return result.has_value() ? KmsFailure() : result.error();
  }

  ScriptedServer server_;
  FakeClock clock_;
};

TEST_F(AzureProvider, WrapsWithTheNewestVersionAndTheContextBesideTheKey) {
  server_.Add(TokenAnswer("token-1"));
  server_.Add(Bundle(Kid(kVersion)));
  server_.Add(Result(Kid(kVersion), Bytes{9, 9}));
  auto wrapped = NewProvider().Wrap(SecretBytes::CopyOf(Bytes(32, 7)), kContext);
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Sentence();
  EXPECT_EQ(wrapped->key_version, kVersion);
  EXPECT_EQ(wrapped->algorithm, "RSA-OAEP-256");
  EXPECT_EQ(wrapped->ciphertext, (Bytes{9, 9}));
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[1].target, "/keys/orders?api-version=7.4");
  EXPECT_EQ(requests[2].target, "/keys/orders/" + kVersion + "/wrapkey?api-version=7.4");
  for (const int i : {1, 2}) {
    EXPECT_EQ(FindHeader(requests[i].headers, "authorization"), "Bearer token-1");
    EXPECT_EQ(FindHeader(requests[i].headers, "host"), kHost);
  }
  const json::object sent = json::parse(requests[2].body).as_object();
  EXPECT_EQ(TextOf(sent, "alg"), "RSA-OAEP-256");
  const Bytes payload = *Base64UrlDecode(TextOf(sent, "value"));
  ASSERT_EQ(payload.size(), 64u);
  const Digest256 digest = Sha256(AsBytes(R"({"freehold:cluster":"c1"})"));
  EXPECT_EQ(Bytes(payload.begin(), payload.begin() + 32), Bytes(32, 7));
  EXPECT_EQ(Bytes(payload.begin() + 32, payload.end()), Bytes(digest.begin(), digest.end()));
}

TEST_F(AzureProvider, WrapsWithAesKeyWrapWhereTheKeyIsSymmetric) {
  server_.Add(TokenAnswer());
  server_.Add(Bundle(Kid(kVersion), "oct-HSM"));
  server_.Add(Result(Kid(kVersion), Bytes(72, 1)));
  EXPECT_EQ(NewProvider().Wrap(SecretBytes(32), kContext)->algorithm, "A256KW");
  server_.Add(TokenAnswer());
  server_.Add(Bundle(Kid(kVersion), "EC"));
  EXPECT_EQ(NewProvider().Wrap(SecretBytes(32), kContext).error().meaning, KmsMeaning::kWrongUsage);
}

TEST_F(AzureProvider, UnwrapsWithExactlyTheVersionThatWrapped) {
  server_.Add(TokenAnswer());
  server_.Add(Result(Kid(kVersion, "orders"), Payload()));
  const auto key = NewProvider().Unwrap(Wrapped(), kContext);
  ASSERT_TRUE(key.has_value()) << key.error().Sentence();
  EXPECT_TRUE(key->Equals(SecretBytes::CopyOf(Bytes(32, 7))));
  EXPECT_EQ(server_.Requests().at(1).target,
            "/keys/orders/" + kVersion + "/unwrapkey?api-version=7.4");
}

TEST_F(AzureProvider, RefusesAnotherContextAndAnotherSize) {
  EXPECT_EQ(UnwrapFailure(Result(Kid(kVersion), Payload({{"freehold:cluster", "c2"}}))).meaning,
            KmsMeaning::kWrongCiphertext);
  for (const std::size_t size : {1, 32, 63, 65}) {
    EXPECT_EQ(UnwrapFailure(Result(Kid(kVersion), Bytes(size, 7))).meaning,
              KmsMeaning::kWrongCiphertext)
        << size;
  }
}

TEST_F(AzureProvider, RefusesAnAnswerAboutAnotherKey) {
  for (const std::string& kid :
       {Kid(kOther), Kid(kVersion, "other"), Kid(kVersion, "Orders", "evil.vault.azure.net")}) {
    EXPECT_EQ(UnwrapFailure(Result(kid, Payload())).meaning, KmsMeaning::kWrongKey) << kid;
  }
  for (const std::string& kid :
       {std::string(), std::string("x"), Kid("short"), Kid(kVersion, "Orders", "evil.example")}) {
    EXPECT_EQ(UnwrapFailure(Result(kid, Payload())).meaning, KmsMeaning::kNotUnderstood) << kid;
  }
}

TEST_F(AzureProvider, AsksNobodyAboutAWrappedKeyThatIsNoneOfOurs) {
  for (const WrappedKey& wrapped :
       {WrappedKey{{1}, "", "RSA-OAEP-256"}, WrappedKey{{1}, "../../secrets/x", "RSA-OAEP-256"},
        WrappedKey{{1}, kVersion, "RSA1_5"}, WrappedKey{{1}, kVersion, ""}}) {
    EXPECT_EQ(NewProvider().Unwrap(wrapped, kContext).error().meaning,
              KmsMeaning::kWrongCiphertext);
  }
  EXPECT_EQ(NewProvider(kOther).Unwrap(Wrapped(), kContext).error().meaning, KmsMeaning::kWrongKey);
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(AzureProvider, UsesTheVersionOfTheUriOnly) {
  server_.Add(TokenAnswer());
  server_.Add(Bundle(Kid(kVersion)));
  server_.Add(Result(Kid(kVersion), Bytes{9}));
  ASSERT_TRUE(NewProvider(kVersion).Wrap(SecretBytes(32), kContext).has_value());
  EXPECT_EQ(server_.Requests().at(1).target, "/keys/orders/" + kVersion + "?api-version=7.4");
  server_.Add(TokenAnswer());
  server_.Add(Bundle(Kid(kOther)));
  EXPECT_EQ(NewProvider(kVersion).Wrap(SecretBytes(32), kContext).error().meaning,
            KmsMeaning::kWrongKey);
}

TEST_F(AzureProvider, TakesItsTokenAfreshForEveryOperation) {
  AzureKeyProvider provider = NewProvider();
  for (const std::string token : {"token-1", "token-2"}) {
    server_.Add(TokenAnswer(token));
    server_.Add(Result(Kid(kVersion), Payload()));
    ASSERT_TRUE(provider.Unwrap(Wrapped(), kContext).has_value());
    EXPECT_EQ(FindHeader(server_.Requests().back().headers, "authorization"), "Bearer " + token);
  }
  server_.Add(EntraError(400, "unauthorized_client", 700016));
  const auto refused = provider.Unwrap(Wrapped(), kContext);
  EXPECT_EQ(refused.error().meaning, KmsMeaning::kTrustWithdrawn);
  EXPECT_THAT(refused.error().remedy, HasSubstr("tenant-1/adminconsent?client_id=app-1"));
  EXPECT_EQ(server_.Requests().size(), 5u);
}

TEST_F(AzureProvider, JudgesAStaleTokenByASecondTry) {
  server_.Add(TokenAnswer());
  server_.Add(VaultError(401, "Unauthorized"));
  server_.Add(TokenAnswer());
  server_.Add(VaultError(403, "Forbidden", "KeyDisabled"));
  EXPECT_EQ(NewProvider().Unwrap(Wrapped(), kContext).error().meaning, KmsMeaning::kKeyDisabled);
}

TEST_F(AzureProvider, TriesAgainAfterAnOutageAndNeverAfterANo) {
  server_.Add(TokenAnswer());
  server_.Add({503, {}, ""});
  server_.Add(Result(Kid(kVersion), Payload()));
  EXPECT_TRUE(NewProvider().Unwrap(Wrapped(), kContext).has_value());
  const auto before = server_.Requests().size();
  UnwrapFailure(VaultError(403, "Forbidden", "KeyDisabled"));
  EXPECT_EQ(server_.Requests().size(), before + 2);
}

TEST_F(AzureProvider, SaysWhichCommandWouldHelp) {
  EXPECT_THAT(UnwrapFailure(VaultError(403, "Forbidden", "ForbiddenByRbac")).remedy,
              testing::AllOf(HasSubstr("az role assignment create"),
                             HasSubstr("Key Vault Crypto Service Encryption User"),
                             HasSubstr("--assignee app-1"), HasSubstr("--name acme"),
                             HasSubstr("/keys/orders")));
  EXPECT_THAT(
      UnwrapFailure(VaultError(403, "Forbidden", "KeyDisabled")).remedy,
      HasSubstr("az keyvault key set-attributes --vault-name acme --name orders --enabled"));
  EXPECT_THAT(UnwrapFailure(VaultError(404, "KeyNotFound")).remedy,
              HasSubstr("az keyvault key recover"));
  EXPECT_THAT(UnwrapFailure(VaultError(403, "Forbidden", "ForbiddenByFirewall")).remedy,
              HasSubstr("az keyvault network-rule add"));
}

TEST_F(AzureProvider, DescribesTheKeyAndWarnsOfNothingThatIsWell) {
  server_.Add(TokenAnswer());
  server_.Add(Bundle(Kid(kVersion)));
  server_.Add({200, {}, R"({"lifetimeActions":[{"action":{"type":"Rotate"}}]})"});
  const auto facts = NewProvider().Describe();
  ASSERT_TRUE(facts.has_value()) << facts.error().Sentence();
  EXPECT_EQ(facts->state, "Enabled");
  EXPECT_EQ(facts->key_version, kVersion);
  EXPECT_EQ(facts->rotation_enabled, true);
  EXPECT_TRUE(facts->enabled);
  EXPECT_THAT(facts->warnings, testing::IsEmpty());
}

TEST_F(AzureProvider, WarnsOfWhatItsOwnerShouldChange) {
  const std::int64_t now = 55LL * 365 * 24 * 3600;  // the fake clock's
  struct Look {
    json::object attributes;
    const char* state;
    const char* warning;
  };
  for (const Look& look : std::initializer_list<Look>{
           {{{"enabled", false}}, "Disabled", ""},
           {{{"enabled", true}, {"exp", now - 1}}, "Expired", "an expiry is no revocation"},
           {{{"enabled", true}, {"exp", now + 1}}, "Enabled", "the key expires at"},
           {{{"enabled", true}, {"nbf", now + 1}}, "NotYetValid", "the key is valid from"},
           {{{"enabled", true}, {"recoveryLevel", "Recoverable+Purgeable"}},
            "Enabled",
            "az keyvault update --name acme --enable-purge-protection true"}}) {
    server_.Add(TokenAnswer());
    server_.Add(Bundle(Kid(kVersion), "RSA", look.attributes));
    server_.Add(VaultError(403, "Forbidden", "ForbiddenByRbac"));
    const auto facts = NewProvider().Describe();
    ASSERT_TRUE(facts.has_value()) << facts.error().Sentence();
    EXPECT_EQ(facts->state, look.state);
    EXPECT_EQ(facts->enabled, std::string(look.state) == "Enabled");
    EXPECT_EQ(facts->rotation_enabled, std::nullopt);
    EXPECT_THAT(facts->rotation_detail, HasSubstr("Key Vault Reader"));
    if (*look.warning != '\0') {
      EXPECT_THAT(facts->warnings, testing::ElementsAre(HasSubstr(look.warning)));
    }
  }
}

TEST_F(AzureProvider, TakesOddAnswersForNothing) {
  for (const char* body : {"", "[]", "{}", R"({"kid":7,"value":{}})"}) {
    EXPECT_EQ(UnwrapFailure({200, {}, body}).kms_class, KmsClass::kAmbiguous) << body;
    server_.Add(TokenAnswer());
    server_.Add({200, {}, body});
    EXPECT_EQ(NewProvider().Describe().error().kms_class, KmsClass::kAmbiguous) << body;
  }
  EXPECT_EQ(UnwrapFailure({200, {}, R"({"kid":")" + Kid(kVersion) + R"(","value":"!"})"}).meaning,
            KmsMeaning::kNotUnderstood);
}

TEST_F(AzureProvider, SaysNoSecret) {
  for (const HttpResponse& answer :
       {VaultError(403, "Forbidden", "KeyDisabled"), VaultError(401, "Unauthorized"),
        HttpResponse{500, {}, "token-1"}}) {
    for (int i = 0; i < 4; ++i) server_.Add(i % 2 == 0 ? TokenAnswer() : answer);
    const KmsFailure failure = UnwrapFailure(answer);
    EXPECT_THAT(failure.Sentence() + failure.remedy,
                testing::Not(testing::AnyOf(HasSubstr("very-secret"), HasSubstr("token-1"))));
  }
}

}  // namespace
}  // namespace freehold::azure
