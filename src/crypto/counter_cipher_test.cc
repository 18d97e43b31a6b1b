#include "crypto/counter_cipher.h"

#include "crypto/crypto.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

CounterBlock BlockOf(std::string_view hex) {
  CounterBlock block{};
  const Bytes bytes = *HexDecode(hex);
  std::copy(bytes.begin(), bytes.end(), block.begin());
  return block;
}

SecretBytes KeyOf(std::string_view hex) { return SecretBytes::CopyOf(*HexDecode(hex)); }

// NIST SP 800-38A, F.5.5.
TEST(CounterCipherTest, GivesThePublishedVectors) {
  auto cipher =
      *NewCounterCipher(KeyOf("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"));
  const CounterBlock first = BlockOf("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  const Bytes plaintext = *HexDecode(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
  const Bytes expected = *HexDecode(
      "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
      "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6");
  Bytes out(plaintext.size());
  ASSERT_TRUE(cipher->Apply(first, 0, plaintext, out).ok());
  EXPECT_EQ(out, expected);
  // From the middle, and back.
  Bytes half(32);
  ASSERT_TRUE(cipher->Apply(first, 2, ByteView(expected).subspan(32), half).ok());
  EXPECT_EQ(half, Bytes(plaintext.begin() + 32, plaintext.end()));
}

TEST(CounterCipherTest, CarriesPastThirtyTwoAndSixtyFourBits) {
  EXPECT_EQ(AddBlocks(BlockOf("000000000000000000000000ffffffff"), 1),
            BlockOf("00000000000000000000000100000000"));
  EXPECT_EQ(AddBlocks(BlockOf("0000000000000000ffffffffffffffff"), 1),
            BlockOf("00000000000000010000000000000000"));
  EXPECT_EQ(AddBlocks(BlockOf("ffffffffffffffffffffffffffffffff"), 2),
            BlockOf("00000000000000000000000000000001"));
  EXPECT_EQ(AddBlocks(BlockOf("00000000000000000000000000000001"), 0xffffffffffffffff),
            BlockOf("00000000000000010000000000000000"));
}

// What the library counts within one call and what we add between calls must be the same.
TEST(CounterCipherTest, OneLongRunEqualsItsBlocksOneByOne) {
  auto cipher = *NewCounterCipher(RandomSecret(32));
  for (const char* hex : {"000000000000000000000000fffffffe", "0000000000000000fffffffffffffffe",
                          "fffffffffffffffffffffffffffffffe"}) {
    const CounterBlock first = BlockOf(hex);
    Bytes whole(5 * 16);
    ASSERT_TRUE(cipher->Apply(first, 0, whole, whole).ok());
    for (std::uint64_t block = 0; block < 5; ++block) {
      Bytes one(16);
      ASSERT_TRUE(cipher->Apply(first, block, one, one).ok());
      EXPECT_TRUE(std::equal(one.begin(), one.end(), &whole[block * 16])) << hex;
    }
  }
}

TEST(CounterCipherTest, RefusesAKeyOfAnotherLength) {
  EXPECT_FALSE(NewCounterCipher(RandomSecret(64)).ok());
}

}  // namespace
}  // namespace freehold
