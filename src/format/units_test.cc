#include "format/units.h"

#include "crypto/crypto.h"
#include "format/sizes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

constexpr std::uint64_t kUnit = 7;

class DecodeRunTest : public testing::Test {
 protected:
  Bytes Encrypted(ByteView plaintext) {
    Bytes run(plaintext.begin(), plaintext.end());
    EXPECT_TRUE(cipher_->Encrypt(kUnit, run, run).ok());
    return run;
  }
  Bytes Decoded(Bytes run) {
    EXPECT_TRUE(DecodeRun(*cipher_, kUnit, run).ok());
    return run;
  }

  std::unique_ptr<UnitCipher> cipher_ = *NewXtsCipher(RandomSecret(kXtsKeySize));
};

void Zero(Bytes& run, std::size_t at, std::size_t size) {
  std::fill_n(run.begin() + static_cast<std::ptrdiff_t>(at), size, 0);
}

TEST_F(DecodeRunTest, AZeroBlockReadsAsZerosWhereverItLies) {
  for (const std::size_t size : {16U, 48U, 64U, 80U, 4080U, 4096U, 4112U, 8192U}) {
    const Bytes plaintext = RandomBytes(size);
    const Bytes encrypted = Encrypted(plaintext);
    ASSERT_EQ(Decoded(encrypted), plaintext);
    for (std::size_t at = 0; at < size; at += kBlockSize) {
      Bytes hole = encrypted;
      Bytes expected = plaintext;
      Zero(hole, at, kBlockSize);
      Zero(expected, at, kBlockSize);
      ASSERT_EQ(Decoded(hole), expected) << size << " bytes, at " << at;
    }
  }
}

// Only whole blocks of zeros are holes: what looks like one at first sight is decrypted.
TEST_F(DecodeRunTest, ABlockThatBeginsWithZerosIsDecrypted) {
  for (const std::size_t zeros : {4U, 8U, 15U}) {
    for (std::size_t at = 0; at < 80; at += kBlockSize) {
      Bytes encrypted = RandomBytes(80);
      Zero(encrypted, at, zeros);
      encrypted[at + zeros] = 1;
      Bytes expected = encrypted;
      ASSERT_TRUE(cipher_->Decrypt(kUnit, expected, expected).ok());
      ASSERT_EQ(Decoded(encrypted), expected) << zeros << " zeros at " << at;
    }
  }
}

TEST_F(DecodeRunTest, AHoleIsZeros) {
  const Bytes hole(2 * kUnitSize + 32);
  EXPECT_EQ(Decoded(hole), hole);
}

}  // namespace
}  // namespace freehold
