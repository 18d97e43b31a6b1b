#include "kms/aws/aws_kms_client.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/aws/fake_answers.h"
#include "net/scripted_server.h"

namespace freehold::aws {
namespace {

constexpr const char* kArn = "arn:aws:kms:eu-west-1:111122223333:key/k1";

class AwsKms : public testing::Test {
 protected:
  void Answer(const std::string& body) { server_.Add({200, {}, body}); }
  KmsFailure DecryptFailure() {
    auto result = client_.Decrypt(wrapped_, {});
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? KmsFailure{} : result.error();
  }

  ScriptedServer server_;
  AwsKmsClient client_{
      {server_.Url(), {"eu-west-1", "kms"}, ""}, TestCredentials(), kArn, FakeSurroundings({})};
  WrappedKey wrapped_{{1, 2, 3}, "", ""};
};

TEST_F(AwsKms, EncryptNamesTheKeyAndTheContext) {
  Answer(R"({"CiphertextBlob":"AQID","KeyId":")" + std::string(kArn) + "\"}");
  auto wrapped = client_.Encrypt(SecretBytes::CopyOf(AsBytes("abc")), {{"freehold:cluster", "c"}});
  ASSERT_TRUE(wrapped.has_value()) << wrapped.error().Sentence();
  EXPECT_EQ(wrapped->ciphertext, (Bytes{1, 2, 3}));
  EXPECT_EQ(wrapped->algorithm, "SYMMETRIC_DEFAULT");
  const HttpRequest request = server_.Requests().at(0);
  EXPECT_EQ(FindHeader(request.headers, "x-amz-target"), "TrentService.Encrypt");
  EXPECT_EQ(FindHeader(request.headers, "content-type"), "application/x-amz-json-1.1");
  const auto body = boost::json::parse(request.body);
  EXPECT_EQ(body.at("KeyId"), kArn);
  EXPECT_EQ(body.at("Plaintext"), "YWJj");
  EXPECT_EQ(body.at("EncryptionContext").at("freehold:cluster"), "c");
}

TEST_F(AwsKms, DecryptGivesPlaintextAndKeyMaterial) {
  Answer(R"({"Plaintext":"YWJj","KeyMaterialId":"m1","KeyId":")" + std::string(kArn) + "\"}");
  auto decrypted = client_.Decrypt(wrapped_, {});
  ASSERT_TRUE(decrypted.has_value()) << decrypted.error().Sentence();
  EXPECT_EQ(AsText(decrypted->plaintext.ExposeSecret()), "abc");
  EXPECT_EQ(decrypted->key_material, "m1");
  EXPECT_EQ(boost::json::parse(server_.Requests().at(0).body).at("KeyId"), kArn);
}

TEST_F(AwsKms, GenerateDataKeyGivesBothForms) {
  Answer(R"({"Plaintext":"YWJj","CiphertextBlob":"AQID","KeyId":")" + std::string(kArn) + "\"}");
  auto key = client_.GenerateDataKey({});
  ASSERT_TRUE(key.has_value()) << key.error().Sentence();
  EXPECT_EQ(AsText(key->plaintext.ExposeSecret()), "abc");
  EXPECT_EQ(key->wrapped.ciphertext, (Bytes{1, 2, 3}));
}

TEST_F(AwsKms, AnAnswerAboutAnotherKeyIsData) {
  Answer(R"({"Plaintext":"YWJj","KeyId":"arn:aws:kms:eu-west-1:111122223333:key/k2"})");
  EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kData);
  Answer(R"({"KeyMetadata":{"Arn":"other","KeyState":"Enabled"}})");
  EXPECT_EQ(client_.DescribeKey().error().kms_class, KmsClass::kData);
}

TEST_F(AwsKms, SurvivesAnyAnswer) {
  const std::string with_key = R"(,"KeyId":")" + std::string(kArn) + "\"}";
  for (const std::string& body :
       {std::string(), std::string("null"), std::string("[1]"), std::string("{"),
        std::string("{\"a\":1}"), std::string(200, '['), std::string("\xff\xfe"),
        R"({"Plaintext":5)" + with_key, R"({"Plaintext":"???")" + with_key,
        R"({"Plaintext":"")" + with_key, R"({"KeyMetadata":7)" + with_key}) {
    Answer(body);
    EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kAmbiguous) << body;
    Answer(body);
    EXPECT_FALSE(client_.Encrypt(SecretBytes::CopyOf(AsBytes("a")), {}).has_value());
    Answer(body);
    EXPECT_FALSE(client_.DescribeKey().has_value());
    Answer(body);
    EXPECT_FALSE(client_.GetKeyRotationStatus().has_value());
  }
}

TEST_F(AwsKms, TriesAgainOnceWhenTheServiceFailsButNotWhenItSaysNo) {
  server_.Add(KmsError("KMSInternalException", 500));
  Answer(R"({"Plaintext":"YWJj","KeyId":")" + std::string(kArn) + "\"}");
  EXPECT_TRUE(client_.Decrypt(wrapped_, {}).has_value());
  EXPECT_EQ(server_.Requests().size(), 2u);
  server_.Add(KmsError("DisabledException"));
  EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kDenied);
  EXPECT_EQ(server_.Requests().size(), 3u);
  server_.Add(KmsError("ThrottlingException"));
  server_.Add(KmsError("ThrottlingException"));
  EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kUnreachable);
  EXPECT_EQ(server_.Requests().size(), 5u);
}

TEST_F(AwsKms, ABrokenConnectionIsUnreachable) {
  server_.Add({ScriptedServer::kHangUp, {}, ""});
  server_.Add({ScriptedServer::kHangUp, {}, ""});
  EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kUnreachable);
}

TEST_F(AwsKms, AsksForTheStateWhenTheServiceOnlySaysInvalid) {
  const auto described_as = [&](const std::string& state) {
    server_.Add(KmsError("KMSInvalidStateException"));
    Answer(R"({"KeyMetadata":{"Arn":")" + std::string(kArn) + R"(","KeyState":")" + state + "\"}}");
    return DecryptFailure().kms_class;
  };
  EXPECT_EQ(described_as("PendingDeletion"), KmsClass::kDenied);
  EXPECT_EQ(described_as("PendingImport"), KmsClass::kDenied);
  EXPECT_EQ(described_as("Unavailable"), KmsClass::kAmbiguous);
  server_.Add(KmsError("KMSInvalidStateException"));
  server_.Add(KmsError("AccessDeniedException"));
  EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kAmbiguous);
}

TEST_F(AwsKms, DoesNotAskForTheStateForEverOfAServiceThatOnlySaysInvalid) {
  for (int i = 0; i < 5; ++i) server_.Add(KmsError("KMSInvalidStateException"));
  EXPECT_EQ(DecryptFailure().kms_class, KmsClass::kAmbiguous);
  EXPECT_EQ(server_.Requests().size(), 2u);
}

TEST_F(AwsKms, TellsTheRotationStatus) {
  Answer(R"({"KeyRotationEnabled":true})");
  EXPECT_TRUE(client_.GetKeyRotationStatus().value_or(false));
}

}  // namespace
}  // namespace freehold::aws
