#include "cli/kms_helper_command.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::cli {
namespace {

// Wraps by copying; fails to describe.
class CopyingProvider : public KeyProvider {
 public:
  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext, const EncryptionContext&) override {
    return WrappedKey{ToBytes(plaintext.ExposeSecret()), "v", ""};
  }
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped, const EncryptionContext&) override {
    return SecretBytes::CopyOf(wrapped.ciphertext);
  }
  KmsResult<KeyFacts> Describe() override {
    return tl::unexpected(FailureOf(KmsMeaning::kKeyDisabled, "", "No", ""));
  }
  KmsResult<std::string> Identify() override { return "me"; }
};

class CopyingFactory : public KeyProviderFactory {
 public:
  std::unique_ptr<KeyProvider> NewProvider(const KeyAccess&) override {
    return std::make_unique<CopyingProvider>();
  }
};

HelperAnswer Ask(HelperOperation operation) {
  CopyingFactory factory;
  return AnswerOf({operation, {}, {}, {{5, 6}, "", ""}, SecretBytes::CopyOf(Bytes{1, 2})}, factory);
}

TEST(KmsHelper, DoesWhatItIsAskedAndNothingElse) {
  EXPECT_EQ(Ask(HelperOperation::kWrap).wrapped.ciphertext, (Bytes{1, 2}));
  EXPECT_TRUE(Ask(HelperOperation::kWrap).plaintext.empty());
  EXPECT_EQ(ToBytes(Ask(HelperOperation::kUnwrap).plaintext.ExposeSecret()), (Bytes{5, 6}));
  EXPECT_EQ(Ask(HelperOperation::kIdentify).identity, "me");
}

TEST(KmsHelper, PassesOnAFailure) {
  const HelperAnswer answer = Ask(HelperOperation::kDescribe);
  ASSERT_TRUE(answer.failure.has_value());
  EXPECT_EQ(answer.failure->kms_class, KmsClass::kDenied);
}

}  // namespace
}  // namespace freehold::cli
