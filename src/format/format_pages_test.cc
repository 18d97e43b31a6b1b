// docs/format/file.md against this code: its dump, its keys and its table of sizes.
#include "base/page_example.h"
#include "crypto/unit_cipher.h"
#include "format/file_header.h"
#include "format/sizes.h"
#include "format/units.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

const std::string kPage = FREEHOLD_SOURCE_DIR "/docs/format/file.md";

class FilePageTest : public ::testing::Test {
 protected:
  Bytes Slot(int index) const {
    return ToBytes(ByteView(file_).subspan(kSlotOffset[index], kSlotSize));
  }
  FileHeader Header() const { return DecodeSlotUnverified(Slot(0)).value(); }

  const Bytes file_ = PageDump(kPage, "example-file");
  const std::map<std::string, Bytes> keys_ = PageKeys(kPage, "example-file");
  const SecretBytes dek_ = SecretBytes::CopyOf(keys_.at("DEK"));
};

TEST_F(FilePageTest, BothSlotsDecodeAndTheirMacsFit) {
  for (int index : {0, 1}) {
    auto header = DecodeSlotUnverified(Slot(index));
    ASSERT_TRUE(header.ok()) << header.error().message();
    EXPECT_EQ(header->cipher, Cipher::kAes256Xts);
    EXPECT_EQ(header->generation, 1U);
    const SecretBytes key = DeriveHeaderKey(dek_, *header);
    EXPECT_EQ(ToBytes(key.ExposeSecret()), keys_.at("header key"));
    EXPECT_TRUE(SlotMacFits(Slot(index), index, key));
    EXPECT_FALSE(SlotMacFits(Slot(index), 1 - index, key)) << "a slot belongs to its place";
  }
}

TEST_F(FilePageTest, ThePageIsWhatWeWrite) {
  const Bytes written = EncodeHeader(Header(), DeriveHeaderKey(dek_, Header()));
  EXPECT_EQ(written, ToBytes(ByteView(file_).first(kHeaderSize)));
}

TEST_F(FilePageTest, TheBodyDecodesToThePlaintextOnThePage) {
  const SecretBytes key = DeriveFileKey(dek_, Header());
  EXPECT_EQ(ToBytes(key.ExposeSecret()), keys_.at("file key"));
  const std::uint64_t length = LogicalSizeOf({file_.size()}).bytes;
  ASSERT_EQ(length, keys_.at("plaintext").size());
  Bytes body = ToBytes(ByteView(file_).subspan(kHeaderSize, BlockCeil(length)));
  auto cipher = NewXtsCipher(key);
  ASSERT_TRUE(cipher.ok());
  ASSERT_TRUE(DecodeRun(**cipher, 0, body).ok());
  EXPECT_TRUE(AllZero(ByteView(body).subspan(length))) << "the padding";
  body.resize(length);
  EXPECT_EQ(body, keys_.at("plaintext"));
  EXPECT_TRUE(AllZero(ByteView(file_).last(length % kBlockSize))) << "the slack";
}

// The same plaintext in two epochs, the second of which carries the block that it began in.
TEST_F(FilePageTest, TheFileThatIsWrittenOnceDecodesToTheSamePlaintext) {
  const Bytes file = PageDump(kPage, "example-ctr-file");
  const auto of_page = PageKeys(kPage, "example-ctr-file");
  const auto header = DecodeSlotUnverified(ByteView(file).first(kSlotSize));
  ASSERT_TRUE(header.ok()) << header.error().message();
  EXPECT_EQ(header->cipher, Cipher::kAes256Ctr);
  ASSERT_EQ(header->epochs.size(), 2U);
  EXPECT_EQ(EncodeHeader(*header, DeriveHeaderKey(dek_, *header)),
            ToBytes(ByteView(file).first(kHeaderSize)));
  const SecretBytes key = DeriveFileKey(dek_, *header);
  EXPECT_EQ(ToBytes(key.ExposeSecret()), of_page.at("file key"));
  auto cipher = *NewEpochCipher(key, header->epochs);
  const Bytes plaintext = keys_.at("plaintext");
  Bytes body = ToBytes(ByteView(file).subspan(kHeaderSize, BlockCeil(plaintext.size())));
  const Bytes on_disk = body;
  ASSERT_TRUE(DecodeRun(*cipher, 0, body).ok());
  EXPECT_TRUE(std::equal(plaintext.begin(), plaintext.end(), body.begin()));
  body = on_disk;
  std::ranges::copy(header->epochs[1].carried, body.begin() + 16);
  ASSERT_TRUE(DecodeRun(*cipher, 0, body).ok());
  EXPECT_TRUE(std::equal(body.begin(), body.begin() + 20, plaintext.begin()));
  EXPECT_TRUE(AllZero(ByteView(body).subspan(20, 12))) << "as it was before the second opening";
}

TEST_F(FilePageTest, ATableOfEpochsOutOfOrderIsCorrupt) {
  const Bytes file = PageDump(kPage, "example-ctr-file");
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes slot = ToBytes(ByteView(file).first(kSlotSize));
    slot[at] = value;
    return DecodeSlotUnverified(slot).error().code();
  };
  EXPECT_EQ(with(160, 16), ErrorCode::kFileCorrupt) << "the first does not start at 0";
  EXPECT_EQ(with(200, 8), ErrorCode::kFileCorrupt) << "within a block";
  EXPECT_EQ(with(200, 17), ErrorCode::kFileCorrupt) << "of a previous key that is not there";
  Bytes none = ToBytes(ByteView(file).first(kSlotSize));
  std::fill(none.begin() + 160, none.begin() + 480, 0);
  EXPECT_EQ(DecodeSlotUnverified(none).error().code(), ErrorCode::kFileCorrupt);
}

TEST_F(FilePageTest, EveryFlippedBitOfASlotIsRefused) {
  for (std::size_t bit = 0; bit < kSlotSize * 8; ++bit) {
    Bytes slot = Slot(0);
    slot[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    auto header = DecodeSlotUnverified(slot);
    const bool accepted = header.ok() && SlotMacFits(slot, 0, DeriveHeaderKey(dek_, *header));
    ASSERT_FALSE(accepted) << "bit " << bit;
  }
}

TEST_F(FilePageTest, NewerVersionsFeaturesAndCiphersAreUnsupported) {
  for (const std::size_t at : {8, 10, 11, 12}) {
    Bytes slot = Slot(0);
    slot[at] = 3;
    EXPECT_EQ(DecodeSlotUnverified(slot).error().code(), ErrorCode::kUnsupportedVersion) << at;
  }
}

TEST_F(FilePageTest, ASlotOfZerosWasNeverWritten) {
  EXPECT_EQ(DecodeSlotUnverified(Bytes(kSlotSize)).error().code(), ErrorCode::kNotFound);
}

TEST_F(FilePageTest, ASlotOfAnotherSizeIsCorrupt) {
  for (const std::size_t size : {std::size_t{0}, kSlotSize - 1, kSlotSize + 1}) {
    EXPECT_EQ(DecodeSlotUnverified(Bytes(size, 1)).error().code(), ErrorCode::kFileCorrupt);
  }
}

TEST(FilePageSizesTest, TheWorkedSizesAreOurs) {
  int checked = 0;
  for (const auto& row : PageTableRows(kPage)) {
    // Rows of two numbers; the first row says that a file never written has no bytes at all.
    if (row.size() != 3 || row[0].find_first_not_of("0123456789") != std::string::npos ||
        row[2] == "never written") {
      continue;
    }
    const LogicalSize logical{std::stoull(row[0])};
    const BackingSize backing{std::stoull(row[1])};
    EXPECT_EQ(BackingSizeOf(logical).bytes, backing.bytes);
    EXPECT_EQ(LogicalSizeOf(backing).bytes, logical.bytes);
    EXPECT_TRUE(IsPossibleBackingSize(backing));
    ++checked;
  }
  EXPECT_GE(checked, 11);
}

TEST(FilePageSizesTest, OnlyBodiesOfOneToFifteenBytesAreNeverWritten) {
  EXPECT_TRUE(IsPossibleBackingSize({0}));
  for (std::uint64_t size = 1; size < kHeaderSize; ++size) {
    EXPECT_FALSE(IsPossibleBackingSize({size}));
  }
  for (std::uint64_t body = 0; body < 3 * kUnitSize; ++body) {
    EXPECT_EQ(IsPossibleBackingSize({kHeaderSize + body}), body == 0 || body >= kBlockSize) << body;
  }
}

}  // namespace
}  // namespace freehold
