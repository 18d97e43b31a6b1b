// docs/format/keyring.md against this code, and what a keyring must refuse.
#include "base/page_example.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "keyring/keyring.h"

namespace freehold {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const std::string kPage = FREEHOLD_SOURCE_DIR "/docs/format/keyring.md";

class KeyringPageTest : public ::testing::Test {
 protected:
  static bool Accepts(ByteView bytes, const Kek& kek) {
    auto keyring = DecodeKeyringUnverified(bytes);
    return keyring.ok() && VerifyKeyring(bytes, *keyring, kek).ok();
  }
  static ErrorCode DecodeError(const Bytes& bytes) {
    return DecodeKeyringUnverified(bytes).error().code();
  }

  const Bytes bytes_ = PageDump(kPage, "example-keyring");
  const std::map<std::string, Bytes> keys_ = PageKeys(kPage, "example-keyring");
  const Kek kek_{SecretBytes::CopyOf(keys_.at("KEK"))};
};

TEST_F(KeyringPageTest, ThePageDecodesToWhatItSays) {
  auto keyring = DecodeKeyringUnverified(bytes_);
  ASSERT_TRUE(keyring.ok()) << keyring.error().message();
  EXPECT_EQ(keyring->generation, 1U);
  EXPECT_EQ(HexEncode(keyring->volume_id), "404142434445464748494a4b4c4d4e4f");
  EXPECT_EQ(keyring->cipher, Cipher::kAes256Xts);
  ASSERT_EQ(keyring->keks.size(), 1U);
  const WrappedKek& kek = keyring->keks.front();
  EXPECT_EQ(
      kek.key_uri,
      "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
  EXPECT_EQ(kek.principal, "arn:aws:iam::111122223333:role/freehold");
  EXPECT_THAT(kek.context, ElementsAre(Pair("freehold:purpose", "kek"),
                                       Pair("freehold:volume", HexEncode(keyring->volume_id))));
  EXPECT_EQ(AsText(kek.kek.ciphertext), "what the KMS made of the KEK");
  EXPECT_EQ(AsText(kek.canary.ciphertext), "what the KMS made of the canary");
  EXPECT_EQ(kek.kek.algorithm, "SYMMETRIC_DEFAULT");
  EXPECT_EQ(kek.canary_digest, Sha256(keys_.at("canary")));
  EXPECT_EQ(FormatTime(kek.created).substr(0, 10), "2026-01-01");
}

TEST_F(KeyringPageTest, TheKeysOnThePageAreOurs) {
  auto keyring = DecodeKeyringUnverified(bytes_);
  ASSERT_TRUE(keyring.ok());
  EXPECT_EQ(kek_.id(), keyring->kek_id);
  const Id& volume = keyring->volume_id;
  EXPECT_EQ(ToBytes(kek_.MacKey(volume).ExposeSecret()), keys_.at("MAC key"));
  EXPECT_EQ(ToBytes(kek_.DekWrappingKey(volume).ExposeSecret()), keys_.at("wrapping key"));
  EXPECT_EQ(KeyringFingerprint(bytes_), HexEncode(keys_.at("fingerprint")));
}

TEST_F(KeyringPageTest, ThePageVerifiesAndItsDekUnwraps) {
  auto keyring = DecodeKeyringUnverified(bytes_);
  ASSERT_TRUE(keyring.ok());
  EXPECT_TRUE(VerifyKeyring(bytes_, *keyring, kek_).ok());
  ASSERT_EQ(keyring->deks.size(), 1U);
  auto dek = UnwrapDek(kek_, keyring->volume_id, keyring->deks.front());
  ASSERT_TRUE(dek.ok()) << dek.error().message();
  EXPECT_EQ(ToBytes(dek->bytes.ExposeSecret()), keys_.at("DEK"));
  EXPECT_EQ(dek->generation, 1U);
  EXPECT_FALSE(dek->retired);
}

TEST_F(KeyringPageTest, ThePageIsWhatWeWrite) {
  auto keyring = DecodeKeyringUnverified(bytes_);
  ASSERT_TRUE(keyring.ok());
  EXPECT_EQ(EncodeKeyring(*keyring, kek_), bytes_);
}

TEST_F(KeyringPageTest, AWrappedDekFitsInNoOtherPlace) {
  auto keyring = DecodeKeyringUnverified(bytes_);
  ASSERT_TRUE(keyring.ok());
  const WrappedDek& dek = keyring->deks.front();
  const auto unwraps = [&](const Id& volume, const WrappedDek& wrapped) {
    return UnwrapDek(kek_, volume, wrapped).ok();
  };
  WrappedDek other_id = dek;
  other_id.id[0] ^= 1;
  WrappedDek other_generation = dek;
  other_generation.generation += 1;
  Id other_volume = keyring->volume_id;
  other_volume[0] ^= 1;
  EXPECT_TRUE(unwraps(keyring->volume_id, dek));
  EXPECT_FALSE(unwraps(keyring->volume_id, other_id));
  EXPECT_FALSE(unwraps(keyring->volume_id, other_generation));
  EXPECT_FALSE(unwraps(other_volume, dek));
}

TEST_F(KeyringPageTest, AnotherKekIsRefused) {
  auto keyring = DecodeKeyringUnverified(bytes_);
  ASSERT_TRUE(keyring.ok());
  EXPECT_EQ(VerifyKeyring(bytes_, *keyring, Kek::Random()).error().code(),
            ErrorCode::kKeyringCorrupt);
}

TEST_F(KeyringPageTest, EveryFlippedBitIsRefused) {
  ASSERT_TRUE(Accepts(bytes_, kek_));
  for (std::size_t bit = 0; bit < bytes_.size() * 8; ++bit) {
    Bytes flipped = bytes_;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ASSERT_FALSE(Accepts(flipped, kek_)) << "bit " << bit;
  }
}

TEST_F(KeyringPageTest, EveryCutIsCorrupt) {
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    ASSERT_EQ(DecodeError(ToBytes(ByteView(bytes_).first(size))), ErrorCode::kKeyringCorrupt)
        << size;
  }
}

// The length field alone must not save a keyring whose fields run past its end.
TEST_F(KeyringPageTest, EveryCutWithAFittingLengthIsCorrupt) {
  for (std::size_t size = 48; size < bytes_.size(); ++size) {
    Bytes cut = ToBytes(ByteView(bytes_).first(size));
    for (int i = 0; i < 4; ++i) cut[12 + i] = static_cast<std::uint8_t>(size >> (8 * i));
    ASSERT_EQ(DecodeError(cut), ErrorCode::kKeyringCorrupt) << size;
  }
}

TEST_F(KeyringPageTest, BytesBehindTheEndAreCorrupt) {
  Bytes longer = bytes_;
  longer.push_back(0);
  EXPECT_EQ(DecodeError(longer), ErrorCode::kKeyringCorrupt);
  longer[12] += 1;  // even when the length says so
  EXPECT_EQ(DecodeError(longer), ErrorCode::kKeyringCorrupt);
}

TEST_F(KeyringPageTest, NewerVersionsFeaturesAndCiphersAreUnsupported) {
  for (const std::size_t at : {8, 10, 56}) {
    Bytes newer = bytes_;
    newer[at] = 3;
    EXPECT_EQ(DecodeError(newer), ErrorCode::kUnsupportedVersion) << at;
  }
}

TEST_F(KeyringPageTest, AnotherMarkIsCorrupt) {
  Bytes other = bytes_;
  other[0] = 'X';
  EXPECT_EQ(DecodeError(other), ErrorCode::kKeyringCorrupt);
}

}  // namespace
}  // namespace freehold
