#include "kms/gcp/classify.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/gcp/fake_google.h"

namespace freehold::gcp {
namespace {

JsonAnswer Parsed(const HttpResponse& response) {
  return {response.status, {}, boost::json::parse(response.body).get_object()};
}

JsonAnswer OauthError(const std::string& code, const std::string& words = "the words") {
  return {400, {}, {{"error", code}, {"error_description", words}}};
}

TEST(GcpClassify, AProxysRefusalAndAFailingServerProveNoDenial) {
  const JsonAnswer html{403, {}, {}};
  EXPECT_EQ(KmsServiceFailure("decrypt", html).meaning, KmsMeaning::kNotUnderstood);
  EXPECT_EQ(ImpersonationFailure(html).meaning, KmsMeaning::kNotUnderstood);
  const JsonAnswer failing = Parsed(GoogleError(500, "PERMISSION_DENIED", "w", "SERVICE_DISABLED"));
  EXPECT_EQ(KmsServiceFailure("decrypt", failing).meaning, KmsMeaning::kOutage);
}

TEST(GcpClassify, AScopeThatWeLackIsNotTheCustomersRefusal) {
  const JsonAnswer answer =
      Parsed(GoogleError(403, "PERMISSION_DENIED", "w", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"));
  EXPECT_EQ(ImpersonationFailure(answer).meaning, KmsMeaning::kOurConfiguration);
}

TEST(GcpClassify, JudgesEveryAnswerOfTheKms) {
  const struct {
    int code;
    const char* status;
    const char* reason;
    KmsMeaning meaning;
  } cases[] = {
      {400, "FAILED_PRECONDITION", "", KmsMeaning::kNotUnderstood},
      {400, "INVALID_ARGUMENT", "", KmsMeaning::kWrongCiphertext},
      {401, "UNAUTHENTICATED", "", KmsMeaning::kOurCredentials},
      {403, "PERMISSION_DENIED", "", KmsMeaning::kPermissionMissing},
      {403, "PERMISSION_DENIED", "IAM_PERMISSION_DENIED", KmsMeaning::kPermissionMissing},
      {403, "PERMISSION_DENIED", "SERVICE_DISABLED", KmsMeaning::kAccountSuspended},
      {403, "PERMISSION_DENIED", "BILLING_DISABLED", KmsMeaning::kAccountSuspended},
      {403, "PERMISSION_DENIED", "CONSUMER_INVALID", KmsMeaning::kAccountSuspended},
      {403, "PERMISSION_DENIED", "CONSUMER_SUSPENDED", KmsMeaning::kAccountSuspended},
      {403, "PERMISSION_DENIED", "SECURITY_POLICY_VIOLATED", KmsMeaning::kNetworkRefused},
      {403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", KmsMeaning::kOurConfiguration},
      {404, "NOT_FOUND", "", KmsMeaning::kKeyMissing},
      {409, "ABORTED", "", KmsMeaning::kKeyChanging},
      {429, "RESOURCE_EXHAUSTED", "", KmsMeaning::kThrottled},
      {500, "INTERNAL", "", KmsMeaning::kOutage},
      {503, "UNAVAILABLE", "", KmsMeaning::kOutage},
      {504, "DEADLINE_EXCEEDED", "", KmsMeaning::kTimedOut},
      {418, "TEAPOT", "", KmsMeaning::kNotUnderstood},
  };
  for (const auto& each : cases) {
    const KmsFailure failure = KmsServiceFailure(
        "decrypt", Parsed(GoogleError(each.code, each.status, "the words", each.reason)));
    EXPECT_EQ(failure.meaning, each.meaning) << failure.code;
    EXPECT_EQ(failure.message, "the words");
  }
}

TEST(GcpClassify, JudgesAnswersWithoutWordsByTheirStatus) {
  const std::pair<int, KmsMeaning> cases[] = {
      {401, KmsMeaning::kOurCredentials}, {403, KmsMeaning::kNotUnderstood},
      {404, KmsMeaning::kNotUnderstood},  {429, KmsMeaning::kThrottled},
      {500, KmsMeaning::kOutage},         {502, KmsMeaning::kOutage},
      {503, KmsMeaning::kOutage},         {504, KmsMeaning::kTimedOut},
      {599, KmsMeaning::kOutage},         {400, KmsMeaning::kNotUnderstood}};
  for (const auto& [status, meaning] : cases) {
    EXPECT_EQ(KmsServiceFailure("decrypt", {status, {}, {}}).meaning, meaning) << status;
  }
}

TEST(GcpClassify, TakesARefusedImpersonationForAWithdrawnTrust) {
  const auto meaning = [](int code, const char* status, const char* reason = "") {
    return ImpersonationFailure(Parsed(GoogleError(code, status, "the words", reason))).meaning;
  };
  EXPECT_EQ(meaning(403, "PERMISSION_DENIED"), KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(meaning(404, "NOT_FOUND"), KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(meaning(400, "FAILED_PRECONDITION"), KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(meaning(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), KmsMeaning::kAccountSuspended);
  EXPECT_EQ(meaning(403, "PERMISSION_DENIED", "BILLING_DISABLED"), KmsMeaning::kAccountSuspended);
  EXPECT_EQ(meaning(403, "PERMISSION_DENIED", "CONSUMER_INVALID"), KmsMeaning::kAccountSuspended);
  EXPECT_EQ(meaning(401, "UNAUTHENTICATED"), KmsMeaning::kOurCredentials);
  EXPECT_EQ(meaning(429, "RESOURCE_EXHAUSTED"), KmsMeaning::kThrottled);
  EXPECT_EQ(meaning(500, "INTERNAL"), KmsMeaning::kOutage);
  EXPECT_EQ(meaning(503, "UNAVAILABLE"), KmsMeaning::kOutage);
}

TEST(GcpClassify, TakesATokenEndpointsRefusalForOurOwnTrouble) {
  const std::pair<const char*, KmsMeaning> cases[] = {
      {"invalid_grant", KmsMeaning::kOurCredentials},
      {"invalid_client", KmsMeaning::kOurCredentials},
      {"unauthorized_client", KmsMeaning::kOurCredentials},
      {"invalid_target", KmsMeaning::kOurConfiguration},
      {"invalid_scope", KmsMeaning::kOurConfiguration},
      {"invalid_request", KmsMeaning::kOurConfiguration},
      {"whatever", KmsMeaning::kOurCredentials}};
  for (const auto& [code, meaning] : cases) {
    EXPECT_EQ(TokenFailure("token", OauthError(code)).meaning, meaning) << code;
  }
  EXPECT_EQ(TokenFailure("token", {403, {}, {}}).meaning, KmsMeaning::kOurCredentials);
  EXPECT_EQ(TokenFailure("token", {503, {}, {}}).meaning, KmsMeaning::kOutage);
}

TEST(GcpClassify, KnowsAWrongClockByItsWords) {
  for (const char* words :
       {"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
        "timeframe.",
        "Check your iat and exp values in the JWT claim.", "The token was issued in the future."}) {
    EXPECT_EQ(TokenFailure("token", OauthError("invalid_grant", words)).meaning,
              KmsMeaning::kOurClock);
  }
}

TEST(GcpClassify, JudgesEveryStateOfAVersion) {
  const std::pair<const char*, KmsMeaning> cases[] = {
      {"ENABLED", KmsMeaning::kKeyChanging},
      {"DISABLED", KmsMeaning::kKeyDisabled},
      {"DESTROY_SCHEDULED", KmsMeaning::kKeyPendingDeletion},
      {"DESTROYED", KmsMeaning::kVersionRetired},
      {"PENDING_EXTERNAL_DESTRUCTION", KmsMeaning::kKeyPendingDeletion},
      {"EXTERNAL_DESTRUCTION_FAILED", KmsMeaning::kVersionRetired},
      {"IMPORT_FAILED", KmsMeaning::kMaterialMissing},
      {"GENERATION_FAILED", KmsMeaning::kMaterialMissing},
      {"PENDING_GENERATION", KmsMeaning::kKeyChanging},
      {"PENDING_IMPORT", KmsMeaning::kKeyChanging},
      {"", KmsMeaning::kNotUnderstood},
      {"SOMETHING_NEW", KmsMeaning::kNotUnderstood}};
  for (const auto& [state, meaning] : cases) EXPECT_EQ(MeaningOfState(state), meaning) << state;
  EXPECT_EQ(StateIn("k/cryptoKeyVersions/1 is not enabled, current state is: DESTROYED."),
            "DESTROYED");
  EXPECT_EQ(StateIn("the words"), "");
  EXPECT_EQ(VersionIn("k/cryptoKeyVersions/12 is not enabled"), "12");
  EXPECT_EQ(VersionIn("the words"), "");
}

TEST(GcpClassify, ListsWhatItKnows) {
  std::size_t denied = 0;
  for (const AnswerRow& row : Answers()) {
    denied += InfoOf(row.meaning).kms_class == KmsClass::kDenied ? 1 : 0;
  }
  EXPECT_GT(denied, 15u);
}

}  // namespace
}  // namespace freehold::gcp
