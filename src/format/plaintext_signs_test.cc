#include "format/plaintext_signs.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>

#include "crypto/crypto.h"
#include "crypto/unit_cipher.h"
#include "fmt/format.h"

namespace freehold {
namespace {

using ::testing::Optional;

// What a body on the disk is: units of 4096 bytes under a key of their own.
Bytes Ciphertext(std::size_t units) {
  auto cipher = *NewXtsCipher(RandomSecret(kXtsKeySize));
  const Bytes plain(units * kUnitSize, ' ');
  Bytes encrypted(plain.size());
  EXPECT_TRUE(cipher->Encrypt(0, plain, encrypted).ok());
  return encrypted;
}

// Ciphertext with some of its bytes exchanged.
Bytes CiphertextWith(std::size_t offset, ByteView bytes) {
  Bytes all = Ciphertext(4);
  std::copy(bytes.begin(), bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(offset));
  return all;
}

std::string Repeated(std::string_view text, std::size_t size) {
  std::string all;
  while (all.size() < size) all += text;
  return all.substr(0, size);
}

TEST(PlaintextSigns, CiphertextIsNeverTakenForPlaintext) {
  for (int round = 0; round < 50; ++round) EXPECT_EQ(FindPlaintext(Ciphertext(256)), std::nullopt);
}

TEST(PlaintextSigns, NeitherAreHolesAndBlocksThatWereNeverWritten) {
  EXPECT_EQ(FindPlaintext(Bytes(8 * kUnitSize)), std::nullopt);
  Bytes mixed = Ciphertext(8);
  for (std::size_t at = 0; at < mixed.size(); at += 48) std::memset(mixed.data() + at, 0, 16);
  EXPECT_EQ(FindPlaintext(mixed), std::nullopt);
}

// The stated rate is a bound: where it can be measured, it must hold.
TEST(PlaintextSigns, ErrsNoMoreOftenThanItSays) {
  constexpr std::size_t kPiece = 512;
  const Bytes bytes = Ciphertext(16384);
  std::size_t beyond[13] = {};
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    const double bits = BitsAgainstCiphertext(ByteView(bytes).subspan(at, kPiece));
    for (int i = 1; i <= 12; ++i) beyond[i] += bits >= i ? 1 : 0;
  }
  for (int i = 1; i <= 12; ++i) EXPECT_LE(beyond[i], bytes.size() / kPiece >> i) << i << " bits";
}

TEST(PlaintextSigns, FindsTextWhereverItLies) {
  const std::string text = "Now, the customer's name is in the clear: this is not encrypted.";
  for (std::size_t offset : {0, 5, 4000, 4096, 8192 + 511, 4 * 4096 - 64}) {
    const auto found = FindPlaintext(CiphertextWith(offset, AsBytes(text)));
    ASSERT_TRUE(found.has_value()) << offset;
    EXPECT_LE(*found - offset + 16, 32U) << offset;
  }
}

TEST(PlaintextSigns, FindsWhatDatabasesWrite) {
  Bytes counters(512);
  for (std::uint32_t i = 0; i < 128; ++i) std::memcpy(counters.data() + 4 * i, &i, 4);
  EXPECT_THAT(FindPlaintext(CiphertextWith(4096, counters)), Optional(4096));
  const Bytes padded = [] {
    Bytes page(4096);
    for (std::size_t at = 8; at < page.size(); at += 24)
      RandomFill(MutableByteView(page).subspan(at, 8));
    return page;
  }();
  EXPECT_THAT(FindPlaintext(CiphertextWith(8192, padded)), Optional(8192));
  EXPECT_THAT(FindPlaintext(CiphertextWith(4096, Bytes(512, 0xff))), Optional(4096));
}

TEST(PlaintextSigns, FindsHexAndBase64) {
  Bytes random(3072);
  RandomFill(random);
  EXPECT_TRUE(FindPlaintext(AsBytes(HexEncode(random))).has_value());
  EXPECT_TRUE(FindPlaintext(AsBytes(Base64Encode(random))).has_value());
}

TEST(PlaintextSigns, FindsShortTextInAFileThatHoldsNothingElse) {
  const std::string text = Repeated("user=alice password=", 64);
  EXPECT_THAT(FindPlaintext(AsBytes(text)), Optional(0));
  EXPECT_EQ(FindPlaintext(AsBytes(text).first(48)), std::nullopt) << "too little to be sure";
}

TEST(PlaintextSigns, CannotTellRandomBytes) {
  Bytes random(64 * kUnitSize);
  RandomFill(random);
  EXPECT_EQ(FindPlaintext(random), std::nullopt);
}

}  // namespace
}  // namespace freehold
