#include "crypto/crypto.h"

#include "crypto/unit_cipher.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

SecretBytes FromHex(std::string_view hex) { return SecretBytes::CopyOf(*HexDecode(hex)); }

TEST(Hkdf, MatchesRfc5869TestCaseOne) {
  const SecretBytes key = FromHex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
  const Bytes salt = *HexDecode("000102030405060708090a0b0c");
  const Bytes info = *HexDecode("f0f1f2f3f4f5f6f7f8f9");
  const SecretBytes derived = DeriveKey(key, salt, AsText(info), 42);
  EXPECT_EQ(HexEncode(derived.ExposeSecret()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(HmacSha256, MatchesRfc4231TestCaseTwo) {
  EXPECT_EQ(HexEncode(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Gcm, RefusesAnotherContextAndAnyFlippedBit) {
  const SecretBytes key = RandomSecret(kKeySize);
  const Bytes sealed = *GcmEncrypt(key, AsBytes("context"), AsBytes("payload"));
  EXPECT_EQ(AsText(GcmDecrypt(key, AsBytes("context"), sealed)->ExposeSecret()), "payload");
  EXPECT_FALSE(GcmDecrypt(key, AsBytes("other"), sealed).ok());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes flipped = sealed;
    flipped[i] ^= 1;
    EXPECT_EQ(GcmDecrypt(key, AsBytes("context"), flipped).error().code(), ErrorCode::kKeyData);
  }
  EXPECT_FALSE(GcmDecrypt(key, AsBytes("context"), ByteView(sealed).first(27)).ok());
}

// IEEE 1619-2007, vector 10: AES-256-XTS, data unit sequence number 0xff, 512 bytes.
TEST(XtsCipher, MatchesIeee1619VectorTen) {
  const SecretBytes key = FromHex(
      "2718281828459045235360287471352662497757247093699959574966967627"
      "3141592653589793238462643383279502884197169399375105820974944592");
  Bytes plain(512);
  for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<std::uint8_t>(i);
  auto cipher = *NewXtsCipher(key);
  Bytes encrypted(512);
  ASSERT_TRUE(cipher->Encrypt(0xff, plain, encrypted).ok());
  EXPECT_EQ(HexEncode(ByteView(encrypted).first(32)),
            "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
  Bytes decrypted(512);
  ASSERT_TRUE(cipher->Decrypt(0xff, encrypted, decrypted).ok());
  EXPECT_EQ(decrypted, plain);
}

TEST(XtsCipher, GivesEachUnitItsOwnTweak) {
  auto cipher = *NewXtsCipher(RandomSecret(kXtsKeySize));
  const Bytes plain(3 * kUnitSize, 7);
  Bytes run(plain.size());
  ASSERT_TRUE(cipher->Encrypt(5, plain, run).ok());
  for (std::size_t unit = 0; unit < 3; ++unit) {
    Bytes alone(kUnitSize);
    ASSERT_TRUE(cipher->Encrypt(5 + unit, ByteView(plain).first(kUnitSize), alone).ok());
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), run.begin() + unit * kUnitSize));
  }
}

TEST(XtsCipher, RefusesEqualHalves) {
  EXPECT_FALSE(NewXtsCipher(SecretBytes::CopyOf(Bytes(64, 1))).ok());
}

}  // namespace
}  // namespace freehold
