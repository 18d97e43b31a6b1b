#include "format/units.h"

#include <atomic>
#include <thread>
#include <vector>

#include "crypto/crypto.h"
#include "format/epoch_cipher.h"
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
TEST_F(DecodeRunTest, UnitsWithAndWithoutZerosMixInAnyOrder) {
  constexpr std::size_t kUnits = 9;
  const Bytes plaintext = RandomBytes(kUnits * kUnitSize + kBlockSize);
  const Bytes encrypted = Encrypted(plaintext);
  for (std::size_t mask = 0; mask < std::size_t{1} << kUnits; ++mask) {
    Bytes holes = encrypted;
    Bytes expected = plaintext;
    for (std::size_t unit = 0; unit < kUnits; ++unit) {
      if ((mask >> unit & 1) == 0) continue;
      const std::size_t at = unit * kUnitSize + (unit * 37 + mask) % 256 * kBlockSize;
      Zero(holes, at, kBlockSize);
      Zero(expected, at, kBlockSize);
    }
    ASSERT_EQ(Decoded(holes), expected) << mask;
  }
}

TEST_F(DecodeRunTest, ABlockThatBeginsWithZerosIsDecrypted) {
  for (const std::size_t zeros : {4U, 8U, 15U}) {
    for (std::size_t at = 0; at < kUnitSize + 80; at += kBlockSize) {
      Bytes encrypted = RandomBytes(kUnitSize + 80);  // both ways of looking
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

void ExpectThreadsAgree(UnitCipher& cipher) {
  const Bytes plaintext = RandomBytes(8 * kUnitSize);
  Bytes expected(plaintext.size());
  ASSERT_TRUE(cipher.Encrypt(kUnit, plaintext, expected).ok());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        Bytes run(plaintext.size());
        if (!cipher.Encrypt(kUnit, plaintext, run).ok() || run != expected) ++wrong;
        if (!DecodeRun(cipher, kUnit, run).ok() || run != plaintext) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(UnitCipherTest, ServesManyThreadsAtOnce) {
  ExpectThreadsAgree(**NewXtsCipher(RandomSecret(kXtsKeySize)));
  const EpochTable table =
      WithEpochAt(FirstEpoch(), (kUnit + 3) * kUnitSize, RandomBytes(kBlockSize));
  ExpectThreadsAgree(**NewEpochCipher(RandomSecret(32), table));
}

}  // namespace
}  // namespace freehold
