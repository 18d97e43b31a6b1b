#include "kms/aws/classify.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::aws {
namespace {

KmsClass ClassOfKmsError(const ServiceError& error) {
  return InfoOf(MeaningOfKmsError(error)).kms_class;
}
KmsClass ClassOfStsError(const ServiceError& error) {
  return InfoOf(MeaningOfStsError(error)).kms_class;
}
KmsClass ClassOfKeyState(std::string_view state) {
  return InfoOf(MeaningOfKeyState(state)).kms_class;
}

struct Case {
  const char* code;
  KmsClass kms_class;
};

ServiceError Named(std::string code, int status = 400) {
  ServiceError error;
  error.code = std::move(code);
  error.http_status = status;
  return error;
}

TEST(Classify, JudgesEveryKmsErrorByItsCode) {
  for (const Case& c :
       std::initializer_list<Case>{{"DisabledException", KmsClass::kDenied},
                                   {"AccessDeniedException", KmsClass::kDenied},
                                   {"NotFoundException", KmsClass::kDenied},
                                   {"KMSInvalidStateException", KmsClass::kAmbiguous},
                                   {"KMSInternalException", KmsClass::kUnreachable},
                                   {"DependencyTimeoutException", KmsClass::kUnreachable},
                                   {"KeyUnavailableException", KmsClass::kUnreachable},
                                   {"ThrottlingException", KmsClass::kUnreachable},
                                   {"LimitExceededException", KmsClass::kUnreachable},
                                   {"ExpiredTokenException", KmsClass::kOurs},
                                   {"UnrecognizedClientException", KmsClass::kOurs},
                                   {"InvalidSignatureException", KmsClass::kOurs},
                                   {"RequestExpired", KmsClass::kOurs},
                                   {"InvalidCiphertextException", KmsClass::kData},
                                   {"IncorrectKeyException", KmsClass::kData},
                                   {"InvalidKeyUsageException", KmsClass::kData},
                                   {"InvalidGrantTokenException", KmsClass::kData},
                                   {"InvalidArnException", KmsClass::kData},
                                   {"UnsupportedOperationException", KmsClass::kData}}) {
    for (const int status : {400, 403, 404, 409, 412}) {
      EXPECT_EQ(ClassOfKmsError(Named(c.code, status)), c.kms_class) << c.code << " " << status;
    }
    // A service that fails itself proves no denial.
    const bool denied = c.kms_class == KmsClass::kDenied;
    EXPECT_EQ(ClassOfKmsError(Named(c.code, 503)), denied ? KmsClass::kUnreachable : c.kms_class)
        << c.code;
  }
}

TEST(Classify, TakesAnUnknownCodeForAmbiguousAndAFailingServiceForUnreachable) {
  for (const int status : {200, 302, 400, 401, 403, 404, 409}) {
    EXPECT_EQ(ClassOfKmsError(Named("BrandNewException", status)), KmsClass::kAmbiguous);
    EXPECT_EQ(ClassOfKmsError(Named("", status)), KmsClass::kAmbiguous);
    EXPECT_EQ(ClassOfStsError(Named("BrandNew", status)), KmsClass::kAmbiguous);
  }
  for (const int status : {429, 500, 502, 503, 504}) {
    EXPECT_EQ(ClassOfKmsError(Named("", status)), KmsClass::kUnreachable);
    EXPECT_EQ(ClassOfStsError(Named("", status)), KmsClass::kUnreachable);
  }
}

TEST(Classify, LetsTheKeysStateDecideAnInvalidState) {
  for (const char* gone :
       {"PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Disabled"}) {
    EXPECT_EQ(ClassOfKeyState(gone), KmsClass::kDenied) << gone;
  }
  for (const char* passing : {"Unavailable", "Updating", "Creating", "Enabled", "", "Odd"}) {
    EXPECT_EQ(ClassOfKeyState(passing), KmsClass::kAmbiguous) << passing;
  }
}

TEST(Classify, JudgesEveryStsError) {
  for (const Case& c :
       std::initializer_list<Case>{{"AccessDenied", KmsClass::kDenied},
                                   {"ExpiredTokenException", KmsClass::kOurs},
                                   {"ExpiredToken", KmsClass::kOurs},
                                   {"InvalidClientTokenId", KmsClass::kOurs},
                                   {"SignatureDoesNotMatch", KmsClass::kOurs},
                                   {"RegionDisabledException", KmsClass::kOurs},
                                   {"IDPRejectedClaim", KmsClass::kOurs},
                                   {"InvalidIdentityToken", KmsClass::kOurs},
                                   {"IDPCommunicationError", KmsClass::kUnreachable},
                                   {"Throttling", KmsClass::kUnreachable},
                                   {"MalformedPolicyDocument", KmsClass::kData},
                                   {"PackedPolicyTooLarge", KmsClass::kData}}) {
    EXPECT_EQ(ClassOfStsError(Named(c.code)), c.kms_class) << c.code;
  }
}

TEST(Classify, StripsPrefixAndSuffixOfAnErrorType) {
  for (const char* type : {"DisabledException", "com.amazonaws.kms#DisabledException",
                           "DisabledException:http://internal.amazon.com/coral/com.amazonaws.kms/",
                           "com.amazonaws.kms#DisabledException:http://internal.amazon.com/x#y"}) {
    EXPECT_EQ(BareErrorCode(type), "DisabledException") << type;
  }
}

TEST(Classify, ReadsAJsonErrorInAllItsSpellings) {
  ServiceError error = ReadJsonError(
      {400, {{"x-amzn-requestid", "r1"}}, R"({"__type":"a#DisabledException","message":"m"})"});
  EXPECT_EQ(error.code, "DisabledException");
  EXPECT_EQ(error.message, "m");
  EXPECT_EQ(error.request_id, "r1");
  error = ReadJsonError({400, {{"x-amzn-errortype", "NotFoundException:"}}, R"({"Message":"M"})"});
  EXPECT_EQ(error.code, "NotFoundException");
  EXPECT_EQ(error.message, "M");
}

TEST(Classify, SurvivesAnythingInPlaceOfAnError) {
  for (const char* body :
       {"", "<html>", "[]", "null", "{\"__type\":3,\"message\":{}}", "{", "\xff"}) {
    EXPECT_EQ(ReadJsonError({502, {}, body}).code, "") << body;
    EXPECT_EQ(ReadXmlError({502, {}, body}).code, "") << body;
  }
  EXPECT_EQ(ReadXmlError({400, {}, "<ErrorResponse/>"}).code, "");
}

TEST(Classify, ReadsAnXmlError) {
  const ServiceError error =
      ReadXmlError({403,
                    {},
                    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
                    "<Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error>"
                    "<RequestId>r2</RequestId></ErrorResponse>"});
  EXPECT_EQ(error.code, "AccessDenied");
  EXPECT_EQ(error.message, "not you");
  EXPECT_EQ(error.request_id, "r2");
}

TEST(Classify, QuotesOnlyTheFirstLineOfTheServicesWords) {
  ServiceError error = Named("InvalidSignatureException");
  error.message = "It does not\x1b[1m match.\n\nThe canonical string was x-amz-security-token:T";
  EXPECT_EQ(FailureOf("Decrypt", error, KmsMeaning::kOurCredentials).message,
            "It does not?[1m match.");
  error.message = std::string(10'000, 'x');
  EXPECT_EQ(FailureOf("Decrypt", error, KmsMeaning::kOurCredentials).message.size(), 500u);
}

TEST(Classify, NoAnswerIsUnreachableAndARefusedUrlIsOurs) {
  for (const auto kind :
       {HttpFailureKind::kResolve, HttpFailureKind::kConnect, HttpFailureKind::kTls,
        HttpFailureKind::kTimeout, HttpFailureKind::kReset, HttpFailureKind::kOther}) {
    EXPECT_EQ(FailureOf("Decrypt", HttpFailure{kind, "x"}).kms_class, KmsClass::kUnreachable);
  }
  EXPECT_EQ(FailureOf("Decrypt", HttpFailure{HttpFailureKind::kRefused, "x"}).kms_class,
            KmsClass::kOurs);
}

}  // namespace
}  // namespace freehold::aws
