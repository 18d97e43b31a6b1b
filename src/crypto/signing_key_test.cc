#include "crypto/signing_key.h"

#include "crypto/certificate.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

TEST(SigningKey, SignsWhatOnlyItsPublicHalfVerifies) {
  const auto key = SigningKey::Generate();
  ASSERT_TRUE(key.ok());
  const auto signature = key->Sign(AsBytes("a head"));
  ASSERT_TRUE(signature.ok());
  const auto halves =
      VerifyingKey::AllInPem(SigningKey::Generate()->PublicPem() + key->PublicPem());
  ASSERT_TRUE(halves.ok());
  ASSERT_EQ(halves->size(), 2u);
  const VerifyingKey& half = halves->back();
  EXPECT_EQ(half.id(), key->id());
  EXPECT_TRUE(half.Verify(AsBytes("a head"), *signature).ok());
  EXPECT_EQ(half.Verify(AsBytes("another"), *signature).error().code(), ErrorCode::kKeyData);
  EXPECT_FALSE(half.Verify(AsBytes("a head"), ByteView(*signature).first(63)).ok());
  EXPECT_FALSE(halves->front().Verify(AsBytes("a head"), *signature).ok());
}

TEST(SigningKey, IsTheSameAfterItsPem) {
  const auto key = SigningKey::Generate();
  const auto again = SigningKey::FromPem(key->PrivatePem());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->id(), key->id());
  EXPECT_EQ(*again->Sign(AsBytes("x")), *key->Sign(AsBytes("x")));
}

// RFC 8032, section 7.1, test 2.
TEST(SigningKey, IsThatOfTheStandard) {
  const auto key = SigningKey::FromPem(SecretBytes::CopyOf(
      AsBytes("-----BEGIN PRIVATE KEY-----\n"
              "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
              "-----END PRIVATE KEY-----\n")));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(HexEncode(*key->Sign(AsBytes("\x72"))),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(SigningKey, OtherKeysAreRefused) {
  const auto other = MakeAuthority("x", FakeClock().Wall());
  EXPECT_EQ(SigningKey::FromPem(other->key_pem).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(VerifyingKey::AllInPem("nonsense").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(VerifyingKey::AllInPem(RsaKey::Generate(2048)->PublicPem()).error().code(),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace freehold
