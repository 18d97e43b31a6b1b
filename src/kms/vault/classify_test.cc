#include "kms/vault/classify.h"

#include "gtest/gtest.h"

namespace freehold::vault {
namespace {

JsonAnswer Errors(int status, std::string_view text) {
  return {status, {}, {{"errors", boost::json::array{text}}}};
}

TEST(VaultClassify, JudgesByTheWordsWhateverTheStatus) {
  const char* failed = "1 error occurred:\n\t* cipher: message authentication failed\n\n";
  for (const int status : {400, 500}) {
    const KmsFailure failure = TransitFailure("decrypt", Errors(status, failed));
    EXPECT_EQ(failure.meaning, KmsMeaning::kWrongCiphertext) << status;
    EXPECT_EQ(failure.message, "cipher: message authentication failed");
  }
}

TEST(VaultClassify, KnowsEveryRowOfItsTable) {
  for (const AnswerRow& row : Answers()) {
    const bool is_status = row.code.starts_with("HTTP ");
    const int status = is_status ? std::atoi(std::string(row.code.substr(5)).c_str()) : 400;
    const std::string_view text = is_status ? "" : row.code;
    const KmsMeaning meaning = row.service.starts_with("Vault login")
                                   ? MeaningOfLoginError(status, text)
                                   : MeaningOfTransitError(status, text);
    EXPECT_EQ(meaning, row.meaning) << row.service << ": " << row.code;
  }
}

TEST(VaultClassify, AProxysRefusalProvesNothing) {
  for (const int status : {403, 404}) {
    const JsonAnswer html{status, {}, {}};
    EXPECT_EQ(TransitFailure("decrypt", html).meaning, KmsMeaning::kNotUnderstood) << status;
    EXPECT_EQ(LoginFailure(html).meaning, KmsMeaning::kNotUnderstood) << status;
  }
  const JsonAnswer own{404, {}, {{"errors", boost::json::array{}}}};
  EXPECT_EQ(TransitFailure("decrypt", own).meaning, KmsMeaning::kKeyMissing);
}

TEST(VaultClassify, AServerThatFailsItselfProvesNoDenial) {
  constexpr const char* kStorage = "1 error occurred:\n\t* open /vault/file/x: permission denied\n";
  EXPECT_EQ(TransitFailure("decrypt", Errors(500, kStorage)).meaning, KmsMeaning::kOutage);
  EXPECT_EQ(LoginFailure(Errors(500, kStorage)).meaning, KmsMeaning::kOutage);
}

TEST(VaultClassify, TellsTheCustomersNoFromAnIdentityProvidersTrouble) {
  const auto login = [](std::string_view text) { return LoginFailure(Errors(400, text)).meaning; };
  EXPECT_EQ(login("error validating token: fetching keys oidc: get keys failed: dial tcp"),
            KmsMeaning::kOutage);
  EXPECT_EQ(login("error validating token: invalid issued at (iat) claim: token issued in the "
                  "future"),
            KmsMeaning::kOurClock);
  EXPECT_EQ(login("error validating token: failed to verify id token signature"),
            KmsMeaning::kNotUnderstood);
  EXPECT_EQ(login("error validating token: invalid audience (aud) claim"),
            KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(login("error validating claims: claim \"x\" does not match"),
            KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(login("invalid role name \"freehold\""), KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(login("source address \"10.0.0.1\" unauthorized through CIDR restrictions"),
            KmsMeaning::kNetworkRefused);
}

TEST(VaultClassify, WhatIsUnknownProvesNothing) {
  EXPECT_EQ(MeaningOfTransitError(400, "brand new"), KmsMeaning::kNotUnderstood);
  EXPECT_EQ(MeaningOfLoginError(418, ""), KmsMeaning::kNotUnderstood);
  EXPECT_EQ(MeaningOfTransitError(599, ""), KmsMeaning::kOutage);
  for (const boost::json::object& body : {boost::json::object(), boost::json::object{{"errors", 1}},
                                          boost::json::object{{"errors", boost::json::array{}}},
                                          boost::json::object{{"errors", boost::json::array{7}}}}) {
    EXPECT_EQ(ErrorText({400, {}, body}), "");
  }
}

}  // namespace
}  // namespace freehold::vault
