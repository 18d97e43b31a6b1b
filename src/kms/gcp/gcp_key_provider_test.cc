#include "kms/gcp/gcp_key_provider.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/gcp/fake_google.h"
#include "net/scripted_server.h"

namespace freehold::gcp {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class GcpProvider : public testing::Test {
 protected:
  GcpKeyProvider NewProvider(const std::string& principal = "") {
    return GcpKeyProvider(
        {*KeyUri::Parse(kKeyName), principal, ""},
        FakeSurroundings({{"GOOGLE_APPLICATION_CREDENTIALS", file_.path()},
                          {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", server_.Url()},
                          {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", server_.Url()}}));
  }
  // The answers of one operation after its token.
  void Script(std::vector<HttpResponse> answers) {
    server_.Add(TokenAnswer("own-token"));
    for (auto& answer : answers) server_.Add(std::move(answer));
  }
  HttpResponse NotEnabled(const std::string& state) {
    return GoogleError(400, "FAILED_PRECONDITION",
                       Version("1") + " is not enabled, current state is: " + state + ".");
  }
  static std::string Version(const std::string& number) {
    return std::string(kKeyName) + "/cryptoKeyVersions/" + number;
  }
  static HttpResponse Seen(const std::string& state, const std::string& level = "SOFTWARE") {
    return {200, {}, fmt::format(R"({{"state":"{}","protectionLevel":"{}"}})", state, level)};
  }
  KmsFailure UnwrapFailure(std::vector<HttpResponse> answers) {
    Script(std::move(answers));
    const auto result = NewProvider().Unwrap(wrapped_, {});
    return result.has_value() ? KmsFailure() : result.error();
  }

  ScriptedServer server_;
  TemporaryFile file_{ServiceAccountFile(server_.Url() + "/token")};
  WrappedKey wrapped_{{1, 2, 3}, "1", ""};
};

TEST_F(GcpProvider, WrapsWithTheContextAndChecksums) {
  Script({EncryptAnswer(Version("3"), Bytes{9, 9})});
  const auto wrapped =
      NewProvider().Wrap(SecretBytes::CopyOf(Bytes(32, 7)), {{"freehold:purpose", "kek"}});
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Sentence();
  EXPECT_EQ(wrapped->key_version, "3");
  EXPECT_EQ(wrapped->ciphertext, (Bytes{9, 9}));
  const HttpRequest request = server_.Requests().at(1);
  EXPECT_EQ(request.target, std::string("/v1/") + kKeyName + ":encrypt");
  EXPECT_EQ(FindHeader(request.headers, "authorization"), "Bearer own-token");
  const auto body = boost::json::parse(request.body).get_object();
  EXPECT_EQ(TextOf(body, "plaintext"), Base64Encode(Bytes(32, 7)));
  EXPECT_EQ(TextOf(body, "plaintextCrc32c"), fmt::format("{}", Crc32c(Bytes(32, 7))));
  const std::string context = R"({"freehold:purpose":"kek"})";
  EXPECT_EQ(TextOf(body, "additionalAuthenticatedData"), Base64Encode(AsBytes(context)));
  EXPECT_EQ(TextOf(body, "additionalAuthenticatedDataCrc32c"),
            fmt::format("{}", Crc32c(AsBytes(context))));
}

TEST_F(GcpProvider, UnwrapsAndChecksWhatCameBack) {
  Script({DecryptAnswer(Bytes(32, 7))});
  const auto key = NewProvider().Unwrap(wrapped_, {});
  ASSERT_TRUE(key.has_value()) << key.error().Sentence();
  EXPECT_TRUE(key->Equals(SecretBytes::CopyOf(Bytes(32, 7))));
  const auto body = boost::json::parse(server_.Requests().at(1).body).get_object();
  EXPECT_EQ(TextOf(body, "ciphertextCrc32c"), fmt::format("{}", Crc32c(Bytes{1, 2, 3})));
}

TEST_F(GcpProvider, TriesDamagedAnswersThreeTimes) {
  Script({DecryptAnswer(Bytes(32, 7), 1), {200, {}, "{}"}, DecryptAnswer(Bytes(32, 7))});
  EXPECT_TRUE(NewProvider().Unwrap(wrapped_, {}).has_value());
  Script({DecryptAnswer(Bytes(32, 7), 1), DecryptAnswer(Bytes(32, 7), 1),
          DecryptAnswer(Bytes(32, 7), 1)});
  EXPECT_EQ(NewProvider().Unwrap(wrapped_, {}).error().meaning, KmsMeaning::kDamagedAnswer);
  const auto bad = EncryptAnswer(Version("1"), Bytes{1}, false);
  Script({bad, bad, bad});
  EXPECT_EQ(NewProvider().Wrap(SecretBytes(32), {}).error().meaning, KmsMeaning::kDamagedAnswer);
  auto wrong_sum = EncryptAnswer(Version("1"), Bytes{1});
  wrong_sum.body.replace(wrong_sum.body.find("ciphertextCrc32c") + 19, 1, "x");
  Script({wrong_sum, wrong_sum, wrong_sum});
  EXPECT_EQ(NewProvider().Wrap(SecretBytes(32), {}).error().meaning, KmsMeaning::kDamagedAnswer);
}

TEST_F(GcpProvider, RefusesAnAnswerAboutAnotherKey) {
  for (const std::string name :
       {"projects/p/locations/l/keyRings/r/cryptoKeys/k2/cryptoKeyVersions/1", "",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k"}) {
    Script({EncryptAnswer(name, Bytes{1})});
    EXPECT_EQ(NewProvider().Wrap(SecretBytes(32), {}).error().meaning, KmsMeaning::kWrongKey);
  }
}

TEST_F(GcpProvider, AcceptsExactlyThirtyTwoBytes) {
  for (const std::size_t size : {1, 31, 33}) {
    EXPECT_EQ(UnwrapFailure({DecryptAnswer(Bytes(size, 7))}).kms_class, KmsClass::kData);
  }
}

TEST_F(GcpProvider, BelievesNotEnabledOnceItHasLooked) {
  const std::pair<const char*, KmsMeaning> states[] = {
      {"DISABLED", KmsMeaning::kKeyDisabled},
      {"DESTROY_SCHEDULED", KmsMeaning::kKeyPendingDeletion},
      {"DESTROYED", KmsMeaning::kVersionRetired},
      {"ENABLED", KmsMeaning::kKeyChanging}};
  for (const auto& [state, meaning] : states) {
    const KmsFailure failure = UnwrapFailure({NotEnabled("DISABLED"), Seen(state)});
    EXPECT_EQ(failure.meaning, meaning) << state;
  }
  EXPECT_EQ(server_.Requests().back().target, "/v1/" + Version("1"));
}

TEST_F(GcpProvider, TakesTheSentencesWordWhereItMayNotLook) {
  const auto hidden = GoogleError(403, "PERMISSION_DENIED");
  EXPECT_EQ(UnwrapFailure({NotEnabled("DISABLED"), hidden}).meaning, KmsMeaning::kKeyDisabled);
  EXPECT_EQ(UnwrapFailure({GoogleError(400, "FAILED_PRECONDITION"), hidden}).kms_class,
            KmsClass::kAmbiguous);
  const auto down = GoogleError(503, "UNAVAILABLE");
  EXPECT_EQ(UnwrapFailure({NotEnabled("DISABLED"), down, down}).kms_class, KmsClass::kAmbiguous);
}

TEST_F(GcpProvider, AnExternalKeyManagersTroubleIsNoRefusal) {
  EXPECT_EQ(UnwrapFailure({GoogleError(400, "FAILED_PRECONDITION", "the EKM said no"),
                           Seen("ENABLED", "EXTERNAL")})
                .meaning,
            KmsMeaning::kKeyStoreFailed);
}

TEST_F(GcpProvider, LooksAtThePrimaryVersionWhenItCouldNotWrap) {
  Script({NotEnabled("DISABLED"), {200, {}, R"({"primary":{"state":"DISABLED"}})"}});
  const auto wrapped = NewProvider().Wrap(SecretBytes(32), {});
  EXPECT_EQ(wrapped.error().meaning, KmsMeaning::kKeyDisabled);
  EXPECT_THAT(wrapped.error().remedy, HasSubstr("gcloud kms keys versions enable"));
}

TEST_F(GcpProvider, TakesItsTokenAfreshForEveryOperation) {
  GcpKeyProvider provider = NewProvider(kCustomers);
  for (int i = 0; i < 2; ++i) {
    Script({ImpersonationAnswer("customers-token"), DecryptAnswer(Bytes(32, 7))});
    EXPECT_TRUE(provider.Unwrap(wrapped_, {}).has_value());
    EXPECT_EQ(FindHeader(server_.Requests().back().headers, "authorization"),
              "Bearer customers-token");
  }
  Script({GoogleError(403, "PERMISSION_DENIED")});
  const KmsFailure refused = provider.Unwrap(wrapped_, {}).error();
  EXPECT_EQ(refused.meaning, KmsMeaning::kTrustWithdrawn);
  EXPECT_THAT(refused.remedy, AllOf(HasSubstr(kCustomers), HasSubstr(kOwn)));
}

TEST_F(GcpProvider, JudgesAStaleTokenByASecondTry) {
  Script({GoogleError(401, "UNAUTHENTICATED")});
  Script({DecryptAnswer(Bytes(32, 7))});
  EXPECT_TRUE(NewProvider().Unwrap(wrapped_, {}).has_value());
}

TEST_F(GcpProvider, NamesTheMissingPermissionAndTheCommandThatAddsIt) {
  const KmsFailure failure = UnwrapFailure({GoogleError(403, "PERMISSION_DENIED")});
  EXPECT_EQ(failure.Sentence(), "decrypt: 403 PERMISSION_DENIED: the words");
  EXPECT_THAT(failure.remedy,
              AllOf(HasSubstr("cloudkms.cryptoKeyVersions.useToDecrypt"),
                    HasSubstr("gcloud kms keys add-iam-policy-binding k --keyring r --location l "
                              "--project p --member serviceAccount:op@"),
                    HasSubstr("roles/cloudkms.cryptoKeyEncrypterDecrypter")));
}

TEST_F(GcpProvider, AsksNoVersionThatIsNoNumber) {
  wrapped_.key_version = "1/../2:destroy";
  EXPECT_EQ(NewProvider().Unwrap(wrapped_, {}).error().meaning, KmsMeaning::kWrongCiphertext);
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(GcpProvider, DescribesTheKey) {
  Script({{200,
           {},
           R"({"purpose":"ENCRYPT_DECRYPT","rotationPeriod":"7776000s",)"
           R"("nextRotationTime":"2026-03-01T00:00:00Z","destroyScheduledDuration":"3600s",)"
           R"("primary":{"name":")" +
               Version("4") + R"(","state":"ENABLED"}})"}});
  const auto facts = NewProvider().Describe();
  ASSERT_TRUE(facts.has_value()) << facts.error().Sentence();
  EXPECT_EQ(facts->key_version, "4");
  EXPECT_TRUE(facts->enabled);
  EXPECT_EQ(facts->rotation_enabled, true);
  EXPECT_THAT(facts->warnings, testing::ElementsAre(HasSubstr("destroyScheduledDuration")));
  Script({{200,
           {},
           R"({"purpose":"ENCRYPT_DECRYPT","primary":{"name":"x/cryptoKeyVersions/4",)"
           R"("state":"DESTROY_SCHEDULED","destroyTime":"2026-12-24T08:00:00.123456Z"}})"}});
  EXPECT_EQ(NewProvider().Describe()->deletion_at, "2026-12-24T08:00:00Z");
  Script({{200, {}, R"({"purpose":"MAC"})"}});
  EXPECT_FALSE(NewProvider().Describe()->enabled);
}

TEST_F(GcpProvider, IsContentWithARoleThatMayUseButNotLook) {
  const auto hidden = GoogleError(403, "PERMISSION_DENIED");
  Script({hidden,
          {200,
           {},
           R"({"permissions":["cloudkms.cryptoKeyVersions.useToEncrypt",)"
           R"("cloudkms.cryptoKeyVersions.useToDecrypt"]})"}});
  const auto facts = NewProvider().Describe();
  ASSERT_TRUE(facts.has_value());
  EXPECT_TRUE(facts->enabled);
  EXPECT_THAT(facts->rotation_detail, HasSubstr("roles/cloudkms.viewer"));
  Script({hidden, {200, {}, R"({"permissions":["cloudkms.cryptoKeyVersions.useToEncrypt"]})"}});
  EXPECT_THAT(NewProvider().Describe().error().remedy,
              HasSubstr("cloudkms.cryptoKeyVersions.useToDecrypt is missing"));
}

}  // namespace
}  // namespace freehold::gcp
