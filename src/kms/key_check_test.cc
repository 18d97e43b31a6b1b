#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/key_provider.h"

namespace freehold {
namespace {

using Outcome = KeyCheckItem::Outcome;

KmsFailure Refusal(KmsClass kms_class, const std::string& code) {
  KmsFailure failure;
  failure.kms_class = kms_class;
  failure.code = code;
  failure.remedy = "the remedy";
  return failure;
}

// Remembers one wrapped key; each operation can be made to fail.
class ScriptedProvider : public KeyProvider {
 public:
  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override {
    if (wrap_failure) return tl::unexpected(*wrap_failure);
    kept_ = plaintext.Clone();
    context_ = context;
    return WrappedKey{{1}, "", ""};
  }
  KmsResult<SecretBytes> Unwrap(const WrappedKey&, const EncryptionContext& context) override {
    if (unwrap_failure) return tl::unexpected(*unwrap_failure);
    if (context != context_ && wrong_context_failure) return tl::unexpected(*wrong_context_failure);
    return garbled ? SecretBytes(32) : kept_.Clone();
  }
  KmsResult<KeyFacts> Describe() override {
    if (describe_failure) return tl::unexpected(*describe_failure);
    return facts;
  }
  KmsResult<std::string> Identify() override {
    if (identify_failure) return tl::unexpected(*identify_failure);
    return "me";
  }

  std::optional<KmsFailure> identify_failure, describe_failure, wrap_failure, unwrap_failure;
  std::optional<KmsFailure> wrong_context_failure = Refusal(KmsClass::kData, "InvalidCiphertext");
  bool garbled = false;
  KeyFacts facts{"Enabled", "", true, ""};

 private:
  SecretBytes kept_;
  EncryptionContext context_;
};

KeyCheckReport Check(ScriptedProvider& provider) {
  return CheckKey(provider,
                  {*KeyUri::Parse("arn:aws:kms:eu-west-1:111122223333:key/k"), "role", ""});
}

Outcome OutcomeOf(const KeyCheckReport& report, const std::string& what) {
  for (const KeyCheckItem& item : report.items) {
    if (item.what.find(what) != std::string::npos) return item.outcome;
  }
  ADD_FAILURE() << "no item about " << what;
  return Outcome::kFailed;
}

TEST(KeyCheck, IsValidWhenEverythingWorks) {
  ScriptedProvider provider;
  const KeyCheckReport report = Check(provider);
  EXPECT_TRUE(report.valid());
  EXPECT_EQ(report.items.size(), 6u);
  for (const KeyCheckItem& item : report.items) EXPECT_EQ(item.outcome, Outcome::kOk) << item.what;
}

TEST(KeyCheck, StopsAtWithdrawnTrust) {
  ScriptedProvider provider;
  provider.identify_failure = Refusal(KmsClass::kDenied, "AccessDenied");
  const KeyCheckReport report = Check(provider);
  ASSERT_FALSE(report.valid());
  EXPECT_EQ(report.items.size(), 1u);
  EXPECT_EQ(report.failure()->kms_class, KmsClass::kDenied);
}

TEST(KeyCheck, NamesEachMissingPermissionWithItsRemedy) {
  ScriptedProvider provider;
  provider.describe_failure = Refusal(KmsClass::kDenied, "NoDescribe");
  provider.unwrap_failure = Refusal(KmsClass::kDenied, "NoDecrypt");
  const KeyCheckReport report = Check(provider);
  EXPECT_FALSE(report.valid());
  EXPECT_EQ(OutcomeOf(report, "Describe"), Outcome::kFailed);
  EXPECT_EQ(OutcomeOf(report, "Encrypt"), Outcome::kOk);
  EXPECT_EQ(OutcomeOf(report, "Decrypt"), Outcome::kFailed);
  EXPECT_EQ(report.items.back().detail, "NoDecrypt; the remedy");
}

TEST(KeyCheck, TellsForWhatAPermissionWasMissing) {
  ScriptedProvider provider;
  provider.facts.refused = {"GetKeyRotationStatus"};
  provider.unwrap_failure =
      FailureOf(KmsMeaning::kPermissionMissing, "Decrypt", "AccessDeniedException", "no");
  EXPECT_EQ(Check(provider).refused, (std::vector<std::string>{"GetKeyRotationStatus", "Decrypt"}));
  provider.unwrap_failure = FailureOf(KmsMeaning::kKeyDisabled, "Decrypt", "DisabledException", "");
  provider.facts.refused.clear();
  EXPECT_EQ(Check(provider).refused, std::vector<std::string>());
}

TEST(KeyCheck, AnOddStateIsAWarningAndUseDecides) {
  ScriptedProvider provider;
  provider.facts.state = "Updating";
  provider.facts.enabled = false;
  EXPECT_TRUE(Check(provider).valid());
  EXPECT_EQ(OutcomeOf(Check(provider), "Describe"), Outcome::kWarning);
  provider.facts.state = "Disabled";
  provider.wrap_failure = Refusal(KmsClass::kDenied, "DisabledException");
  EXPECT_EQ(Check(provider).failure()->code, "DisabledException");
}

TEST(KeyCheck, RotationIsNeverMoreThanAWarning) {
  ScriptedProvider provider;
  for (const auto rotation : {std::optional<bool>(), std::optional<bool>(false)}) {
    provider.facts.rotation_enabled = rotation;
    EXPECT_TRUE(Check(provider).valid());
    EXPECT_EQ(OutcomeOf(Check(provider), "Rotation"), Outcome::kWarning);
  }
}

TEST(KeyCheck, RefusesAKmsThatIgnoresTheContext) {
  ScriptedProvider provider;
  provider.wrong_context_failure.reset();
  EXPECT_FALSE(Check(provider).valid());
  provider.wrong_context_failure = Refusal(KmsClass::kDenied, "by a policy condition");
  EXPECT_TRUE(Check(provider).valid());
  provider.wrong_context_failure = Refusal(KmsClass::kUnreachable, "time-out");
  EXPECT_EQ(Check(provider).failure()->kms_class, KmsClass::kUnreachable);
}

TEST(KeyCheck, RefusesAKeyThatGivesBackSomethingElse) {
  ScriptedProvider provider;
  provider.garbled = true;
  EXPECT_EQ(Check(provider).failure()->kms_class, KmsClass::kData);
}

TEST(KeyCheck, WarnsOfAKeyInAnotherRegion) {
  ScriptedProvider provider;
  const KeyAccess access{*KeyUri::Parse("arn:aws:kms:eu-west-1:111122223333:key/k"), "", ""};
  const auto report = CheckKey(provider, access, {}, "us-east-1");
  EXPECT_TRUE(report.valid());
  EXPECT_EQ(OutcomeOf(report, "Region"), Outcome::kWarning);
  for (const char* same : {"eu-west-1", ""}) {
    for (const KeyCheckItem& item : CheckKey(provider, access, {}, same).items) {
      EXPECT_NE(item.what, "Region") << same;
    }
  }
}

}  // namespace
}  // namespace freehold
