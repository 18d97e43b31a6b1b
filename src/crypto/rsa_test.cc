#include "crypto/rsa.h"

#include "crypto/certificate.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

const RsaKey& SomeKey() {
  static const RsaKey key = *RsaKey::Generate(2048);
  return key;
}

SecretBytes Secret(std::string_view text) { return SecretBytes::CopyOf(AsBytes(text)); }

TEST(Rsa, SignsWhatOnlyItsPublicHalfVerifies) {
  const auto signature = SomeKey().SignSha256(AsBytes("a token"));
  ASSERT_TRUE(signature.ok());
  const auto half = RsaKey::FromPublicPem(SomeKey().PublicPem());
  ASSERT_TRUE(half.ok());
  EXPECT_FALSE(half->has_private_part());
  EXPECT_TRUE(half->VerifySha256(AsBytes("a token"), *signature).ok());
  EXPECT_EQ(half->VerifySha256(AsBytes("another"), *signature).error().code(), ErrorCode::kKeyData);
  EXPECT_FALSE(RsaKey::Generate(2048)->VerifySha256(AsBytes("a token"), *signature).ok());
}

TEST(Rsa, OaepGoesThereAndBackAndNotacrossDigests) {
  for (const OaepDigest digest : {OaepDigest::kSha1, OaepDigest::kSha256}) {
    const auto parts = RsaKey::FromPublicParts(SomeKey().Modulus(), SomeKey().Exponent());
    ASSERT_TRUE(parts.ok());
    const auto wrapped = parts->OaepEncrypt(digest, AsBytes("32 bytes of a key, or a few more"));
    ASSERT_TRUE(wrapped.ok());
    EXPECT_EQ(AsText(SomeKey().OaepDecrypt(digest, *wrapped)->ExposeSecret()),
              "32 bytes of a key, or a few more");
    const OaepDigest other = digest == OaepDigest::kSha1 ? OaepDigest::kSha256 : OaepDigest::kSha1;
    EXPECT_EQ(SomeKey().OaepDecrypt(other, *wrapped).error().code(), ErrorCode::kKeyData);
  }
}

TEST(Rsa, SurvivesItsPem) {
  const auto again = RsaKey::FromPem(SomeKey().PrivatePem());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->Modulus(), SomeKey().Modulus());
  EXPECT_TRUE(again->has_private_part());
}

TEST(Rsa, RefusesWhatIsNoGoodKey) {
  for (const char* pem :
       {"", "garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    EXPECT_EQ(RsaKey::FromPem(Secret(pem)).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(RsaKey::FromPublicPem(pem).error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(RsaKey::FromPem(RsaKey::Generate(1024)->PrivatePem()).ok());
  EXPECT_FALSE(RsaKey::FromPublicParts(Bytes(4, 1), Bytes(1, 3)).ok());
}

// RFC 3394, 4.6, and RFC 5649, 6.
TEST(AesKeyWrap, FitsThePublishedVectors) {
  const auto hex = [](std::string_view text) { return *HexDecode(text); };
  const auto key =
      SecretBytes::CopyOf(hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  const Bytes data = hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
  const auto wrapped = AesKeyWrap(key, data, false);
  ASSERT_TRUE(wrapped.ok());
  EXPECT_EQ(HexEncode(*wrapped),
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
  EXPECT_EQ(ToBytes(AesKeyUnwrap(key, *wrapped, false)->ExposeSecret()), data);

  const auto key192 = SecretBytes::CopyOf(hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"));
  const Bytes twenty = hex("c37b7e6492584340bed12207808941155068f738");
  const auto padded = AesKeyWrap(key192, twenty, true);
  ASSERT_TRUE(padded.ok());
  EXPECT_EQ(HexEncode(*padded), "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a");
  EXPECT_EQ(ToBytes(AesKeyUnwrap(key192, *padded, true)->ExposeSecret()), twenty);
}

TEST(AesKeyWrap, RefusesEveryChangedBit) {
  const SecretBytes key = Secret("0123456789abcdef0123456789abcdef");
  const Bytes wrapped = *AesKeyWrap(key, Bytes(32, 7), false);
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    Bytes changed = wrapped;
    changed[i] ^= 1;
    EXPECT_EQ(AesKeyUnwrap(key, changed, false).error().code(), ErrorCode::kKeyData);
  }
  EXPECT_FALSE(AesKeyWrap(Secret("short"), Bytes(32), false).ok());
  EXPECT_FALSE(AesKeyUnwrap(key, {}, false).ok());
}

TEST(Certificate, HasAThumbprintAndAnAuthority) {
  const WallTime now{std::chrono::hours(24 * 365 * 55)};
  const auto authority = MakeAuthority("test", now);
  ASSERT_TRUE(authority.ok());
  const auto server = MakeServerCertificate(*authority, {"localhost"}, {"127.0.0.1"}, now);
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(CertificateThumbprint(server->certificate_pem)->size(), 32u);
  EXPECT_FALSE(CertificateThumbprint("garbage").ok());
  EXPECT_FALSE(MakeServerCertificate({"garbage", Secret("garbage")}, {"x"}, {}, now).ok());
}

}  // namespace
}  // namespace freehold
