#include "kms/kmip/classify.h"

#include "gtest/gtest.h"

namespace freehold::kmip {
namespace {

KmsFailure FailureWith(std::uint32_t reason, Operation operation = Operation::kDecrypt) {
  Answer answer;
  answer.status = 1;
  answer.reason = reason;
  answer.message = "words";
  return AnswerFailure(operation, answer);
}

TEST(KmipClassify, KnowsEveryRowOfItsTable) {
  std::size_t seen = 0;
  for (const AnswerRow& row : Answers()) {
    for (std::uint32_t reason = 1; reason <= 0x100; ++reason) {
      if (row.service != "KMIP" || NameOfReason(reason) != row.code) continue;
      EXPECT_EQ(FailureWith(reason, Operation::kEncrypt).meaning, row.meaning) << row.code;
      ++seen;
    }
    for (std::uint32_t state = 1; state <= 6; ++state) {
      if (row.service != "KMIP, the key's state" || NameOfState(state) != row.code) continue;
      EXPECT_EQ(MeaningOfState(state), row.meaning) << row.code;
      ++seen;
    }
    if (!row.service.starts_with("TLS")) continue;
    const HttpFailure failure{HttpFailureKind::kReset, "SSL_read: sslv3 " + std::string(row.code)};
    EXPECT_EQ(ConnectionFailure("Decrypt", failure, true).meaning, row.meaning) << row.code;
    ++seen;
  }
  EXPECT_EQ(seen + 1, Answers().size());  // all but the one of Decrypt, below
}

TEST(KmipClassify, TellsAWrongCiphertextFromAServerThatCannotEncrypt) {
  EXPECT_EQ(FailureWith(0x0A).meaning, KmsMeaning::kWrongCiphertext);
  EXPECT_EQ(FailureWith(0x0A, Operation::kEncrypt).meaning, KmsMeaning::kNotUnderstood);
}

TEST(KmipClassify, KeepsTheServersWords) {
  const KmsFailure failure = FailureWith(0x0C);
  EXPECT_EQ(failure.Sentence(), "Decrypt: Permission Denied: words");
  EXPECT_EQ(failure.kms_class, KmsClass::kDenied);
}

TEST(KmipClassify, WhatIsInNoTableProvesNothing) {
  EXPECT_EQ(FailureWith(0x99).meaning, KmsMeaning::kNotUnderstood);
  EXPECT_EQ(FailureWith(0).meaning, KmsMeaning::kNotUnderstood);
  EXPECT_EQ(FailureWith(0x99).code, "reason 0x99");
  EXPECT_EQ(MeaningOfState(2), std::nullopt);
  EXPECT_EQ(MeaningOfState(7), KmsMeaning::kNotUnderstood);
}

TEST(KmipClassify, ARefusedCertificateBeforeTheServerIsProvenIsNobodysNo) {
  const HttpFailure revoked{HttpFailureKind::kTls, "h:1: sslv3 alert certificate revoked"};
  EXPECT_EQ(ConnectionFailure("Connect", revoked, true).meaning, KmsMeaning::kTrustWithdrawn);
  EXPECT_EQ(ConnectionFailure("Connect", revoked, false).meaning, KmsMeaning::kTlsFailed);
  for (const AnswerRow& row : Answers()) {
    if (!row.service.starts_with("TLS")) continue;
    const HttpFailure failure{HttpFailureKind::kTls, std::string(row.code)};
    EXPECT_NE(ConnectionFailure("Connect", failure, false).kms_class, KmsClass::kDenied);
  }
}

TEST(KmipClassify, AConnectionThatFailsIsUnreachable) {
  for (const auto kind :
       {HttpFailureKind::kResolve, HttpFailureKind::kConnect, HttpFailureKind::kTls,
        HttpFailureKind::kTimeout, HttpFailureKind::kReset}) {
    EXPECT_EQ(ConnectionFailure("Connect", {kind, "x"}, true).kms_class, KmsClass::kUnreachable);
  }
  EXPECT_EQ(ConnectionFailure("Connect", {HttpFailureKind::kRefused, "x"}, false).kms_class,
            KmsClass::kOurs);
}

}  // namespace
}  // namespace freehold::kmip
