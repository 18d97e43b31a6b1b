#include "kms/azure/classify.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/azure/fake_answers.h"

namespace freehold::azure {
namespace {

JsonAnswer Answer(const HttpResponse& response) {
  JsonAnswer answer{response.status, response.headers, {}};
  boost::system::error_code failure;
  auto value = boost::json::parse(response.body, failure);
  if (!failure && value.is_object()) answer.body = value.get_object();
  return answer;
}

KmsMeaning Vault(int status, const std::string& code, const std::string& inner = "",
                 std::string_view operation = "unwrapKey") {
  return VaultFailure(operation, Answer(VaultError(status, code, inner))).meaning;
}

TEST(AzureClassify, AServerThatFailsItselfProvesNoDenial) {
  EXPECT_EQ(Vault(503, "Forbidden"), KmsMeaning::kOutage);
  EXPECT_EQ(Vault(500, "Forbidden", "KeyDisabled"), KmsMeaning::kOutage);
  const JsonAnswer entra{503, {}, {{"error", "unauthorized_client"}}};
  EXPECT_EQ(EntraFailure(entra).meaning, KmsMeaning::kOutage);
}

struct Case {
  int status;
  const char* code;
  const char* inner;
  KmsMeaning meaning;
};

TEST(AzureClassify, JudgesEveryAnswerOfAVault) {
  for (const Case& c : std::initializer_list<Case>{
           {403, "Forbidden", "KeyDisabled", KmsMeaning::kKeyDisabled},
           {403, "Forbidden", "KeyExpired", KmsMeaning::kKeyNotValidNow},
           {403, "Forbidden", "KeyNotYetValid", KmsMeaning::kKeyNotValidNow},
           {403, "Forbidden", "AccessDenied", KmsMeaning::kPermissionMissing},
           {403, "Forbidden", "ForbiddenByPolicy", KmsMeaning::kPermissionMissing},
           {403, "Forbidden", "ForbiddenByRbac", KmsMeaning::kPermissionMissing},
           {403, "ForbiddenByRbac", "", KmsMeaning::kPermissionMissing},
           {403, "Forbidden", "KeyOperationForbidden", KmsMeaning::kPermissionMissing},
           {403, "Forbidden", "", KmsMeaning::kPermissionMissing},
           {403, "Forbidden", "BrandNew", KmsMeaning::kPermissionMissing},
           {403, "Forbidden", "ForbiddenByFirewall", KmsMeaning::kNetworkRefused},
           {403, "Forbidden", "ForbiddenByConnection", KmsMeaning::kNetworkRefused},
           {404, "KeyNotFound", "", KmsMeaning::kKeyMissing},
           {404, "VaultNotFound", "", KmsMeaning::kHostMissing},
           {409, "Conflict", "ObjectIsDeletedButRecoverable", KmsMeaning::kKeyPendingDeletion},
           {409, "Conflict", "ObjectIsBeingDeleted", KmsMeaning::kKeyChanging},
           {409, "Conflict", "ObjectIsBeingRecovered", KmsMeaning::kKeyChanging},
           {409, "Conflict", "", KmsMeaning::kKeyChanging},
           {401, "Unauthorized", "", KmsMeaning::kOurCredentials},
           {401, "", "", KmsMeaning::kOurCredentials},
           {408, "", "", KmsMeaning::kTimedOut},
           {429, "Throttled", "", KmsMeaning::kThrottled},
           {429, "", "", KmsMeaning::kThrottled},
           {500, "InternalServerError", "", KmsMeaning::kOutage},
           {503, "", "", KmsMeaning::kOutage},
           {400, "BadParameter", "", KmsMeaning::kWrongCiphertext}}) {
    EXPECT_EQ(Vault(c.status, c.code, c.inner), c.meaning) << c.status << c.code << c.inner;
  }
  EXPECT_EQ(Vault(400, "BadParameter", "", "wrapKey"), KmsMeaning::kBadRequest);
}

TEST(AzureClassify, HasARowForEveryMeaningItGives) {
  for (const AnswerRow& row : Answers()) {
    EXPECT_FALSE(row.service.empty());
    EXPECT_FALSE(row.code.empty());
  }
  EXPECT_GT(Answers().size(), 40u);
}

TEST(AzureClassify, TakesNothingUnknownForADenial) {
  for (const int status : {302, 400, 403, 404, 405, 409, 418}) {
    EXPECT_EQ(Vault(status, ""), KmsMeaning::kNotUnderstood) << status;
    EXPECT_EQ(Vault(status, "BrandNew", "AlsoNew"), KmsMeaning::kNotUnderstood) << status;
    EXPECT_EQ(EntraFailure(Answer({status, {}, "<html>"})).meaning, KmsMeaning::kNotUnderstood);
  }
}

TEST(AzureClassify, TakesAVaultWhoseNameHasNoAddressForDeletedPerhaps) {
  const auto silence = [](KmsMeaning meaning) {
    return VaultSilence(OwnFailure(meaning, "unwrapKey", "")).kms_class;
  };
  EXPECT_EQ(silence(KmsMeaning::kNameNotResolved), KmsClass::kAmbiguous);
  EXPECT_EQ(silence(KmsMeaning::kTimedOut), KmsClass::kUnreachable);
}

TEST(AzureClassify, ReadsTheWordsOfA403WithoutAnInnerCode) {
  const auto words = [](const char* message) {
    return VaultFailure("unwrapKey", Answer(VaultError(403, "Forbidden", "", message))).meaning;
  };
  EXPECT_EQ(words("Client address is not authorized and caller is not a trusted service."),
            KmsMeaning::kNetworkRefused);
  EXPECT_EQ(words("Operation unwrapKey is not allowed on a disabled key."),
            KmsMeaning::kKeyDisabled);
}

TEST(AzureClassify, KnowsTheOtherSpellingOfAnInnerError) {
  EXPECT_EQ(
      VaultFailure(
          "unwrapKey",
          Answer(
              {403, {}, R"({"error":{"code":"Forbidden","innerError":{"code":"KeyDisabled"}}})"}))
          .meaning,
      KmsMeaning::kKeyDisabled);
}

TEST(AzureClassify, JudgesEveryAnswerOfEntra) {
  struct EntraCase {
    const char* error;
    int number;
    KmsMeaning meaning;
  };
  for (const EntraCase& c : std::initializer_list<EntraCase>{
           {"unauthorized_client", 700016, KmsMeaning::kTrustWithdrawn},
           {"unauthorized_client", 7000112, KmsMeaning::kTrustWithdrawn},
           {"invalid_client", 7000229, KmsMeaning::kTrustWithdrawn},
           {"invalid_grant", 65001, KmsMeaning::kTrustWithdrawn},
           {"invalid_request", 90002, KmsMeaning::kTrustWithdrawn},
           {"access_denied", 53003, KmsMeaning::kTrustWithdrawn},
           {"unauthorized_client", 1, KmsMeaning::kTrustWithdrawn},
           {"invalid_client", 7000215, KmsMeaning::kOurCredentials},
           {"invalid_client", 7000222, KmsMeaning::kOurCredentials},
           {"invalid_client", 700027, KmsMeaning::kOurCredentials},
           {"invalid_client", 700213, KmsMeaning::kOurCredentials},
           {"invalid_request", 70021, KmsMeaning::kOurCredentials},
           {"invalid_client", 1, KmsMeaning::kOurCredentials},
           {"invalid_grant", 1, KmsMeaning::kOurCredentials},
           {"invalid_client", 700024, KmsMeaning::kOurClock},
           {"invalid_request", 50196, KmsMeaning::kThrottled},
           {"temporarily_unavailable", 90033, KmsMeaning::kOutage},
           {"temporarily_unavailable", 1, KmsMeaning::kOutage},
           {"server_error", 1, KmsMeaning::kOutage},
           {"invalid_scope", 1, KmsMeaning::kOurConfiguration},
           {"invalid_request", 1, KmsMeaning::kOurConfiguration},
           {"brand_new", 1, KmsMeaning::kNotUnderstood}}) {
    const KmsFailure failure = EntraFailure(Answer(EntraError(400, c.error, c.number)));
    EXPECT_EQ(failure.meaning, c.meaning) << c.error << c.number;
    EXPECT_EQ(failure.request_id, "t1");
  }
  EXPECT_EQ(EntraFailure(Answer({401, {}, ""})).meaning, KmsMeaning::kOurCredentials);
  EXPECT_EQ(EntraFailure(Answer({429, {}, ""})).meaning, KmsMeaning::kThrottled);
  EXPECT_EQ(EntraFailure(Answer({503, {}, ""})).meaning, KmsMeaning::kOutage);
}

TEST(AzureClassify, TakesAManagedIdentitysRefusalForOurTrouble) {
  for (const int status : {400, 401, 403, 404}) {
    EXPECT_EQ(ManagedIdentityFailure(Answer({status, {}, ""})).kms_class, KmsClass::kOurs);
  }
  for (const int status : {410, 429, 500, 503}) {
    EXPECT_EQ(ManagedIdentityFailure(Answer({status, {}, ""})).kms_class, KmsClass::kUnreachable);
  }
}

TEST(AzureClassify, QuotesTheFirstLineAndTheCodeOnce) {
  const KmsFailure entra = EntraFailure(Answer(EntraError(400, "unauthorized_client", 700016)));
  EXPECT_EQ(entra.Sentence(), "Entra token: AADSTS700016: the words");
  const KmsFailure vault = VaultFailure(
      "unwrapKey", Answer(VaultError(403, "Forbidden", "ForbiddenByRbac", R"(no\r\nCaller: me)")));
  EXPECT_EQ(vault.Sentence(), "unwrapKey: ForbiddenByRbac: no");
  EXPECT_EQ(vault.request_id, "r1");
}

TEST(AzureClassify, SurvivesAnythingInPlaceOfAnError) {
  for (const char* body :
       {"", "<html>", "[]", "null", R"({"error":[]})", R"({"error":{"code":3}})",
        R"({"error_codes":["x",{},null]})", R"({"error_codes":7,"error":7})", "{", "\xff"}) {
    EXPECT_EQ(VaultFailure("unwrapKey", Answer({400, {}, body})).kms_class, KmsClass::kAmbiguous)
        << body;
    EXPECT_EQ(EntraFailure(Answer({400, {}, body})).kms_class, KmsClass::kAmbiguous) << body;
  }
}

}  // namespace
}  // namespace freehold::azure
