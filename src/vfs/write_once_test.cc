// aes-256-ctr: files that are written once. The crash model says more; here each hazard has a name.
#include <functional>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vfs/encrypted_file.h"
#include "vfs/encrypted_header.h"
#include "vfs/keystream_watch.h"
#include "vfs/memory_file.h"
#include "vfs/test_volume.h"

namespace freehold {
namespace {

Bytes Pattern(std::size_t size, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  Bytes out(size);
  for (auto& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

class NoJournal : public ReencryptJournal {
  Status Record(ByteView) override { return {}; }
};

class WriteOnceTest : public ::testing::Test {
 protected:
  // Sees what goes to the disk, with the file's contents as they are meant to be.
  class Watched : public BorrowedFile {
   public:
    Watched(WriteOnceTest& test) : BorrowedFile(test.disk_), test_(test) {}
    Status WriteAt(std::uint64_t offset, ByteView data) override {
      if (offset >= kHeaderSize) test_.watch_.See(offset - kHeaderSize, data, test_.contents_);
      return BorrowedFile::WriteAt(offset, data);
    }

   private:
    WriteOnceTest& test_;
  };

  std::unique_ptr<EncryptedFile> Open() {
    auto opened = EncryptedFile::Open(std::make_unique<Watched>(*this), keys_);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return std::unique_ptr<EncryptedFile>(static_cast<EncryptedFile*>(opened->release()));
  }
  Status Write(File& file, std::uint64_t offset, ByteView data) {
    const Bytes before = contents_;
    if (contents_.size() < offset + data.size()) contents_.resize(offset + data.size());
    std::copy(data.begin(), data.end(), contents_.begin() + static_cast<std::ptrdiff_t>(offset));
    auto written = file.WriteAt(offset, data);
    if (!written.ok()) contents_ = before;
    return written;
  }
  Status Append(File& file, ByteView data) { return Write(file, contents_.size(), data); }
  Status Truncate(File& file, std::uint64_t size) {
    contents_.resize(size);
    return file.Truncate(size);
  }
  void ExpectContents(File& file) {
    Bytes out(*file.Size());
    EXPECT_EQ(*file.ReadAt(0, out), out.size());
    EXPECT_EQ(out, contents_);
    EXPECT_EQ(watch_.reuse(), std::nullopt);
  }
  void ExpectContentsNowAndReopened(std::unique_ptr<EncryptedFile> file) {
    ExpectContents(*file);
    file.reset();
    ExpectContents(*Open());
    EXPECT_EQ(disk_.contents().size(), BackingSizeOf({contents_.size()}).bytes);
  }
  // A file of 70 bytes is cut to each length below `end`, and goes on.
  void AtEveryCut(std::size_t end, const std::function<void(File&)>& go_on) {
    for (std::size_t cut = 0; cut < end; ++cut) {
      disk_.contents().clear();
      contents_.clear();
      auto file = Open();
      ASSERT_TRUE(Append(*file, Pattern(70, 1)).ok());
      ASSERT_TRUE(Truncate(*file, cut).ok());
      go_on(*file);
      ExpectContentsNowAndReopened(std::move(file));
    }
  }
  std::size_t EpochsOnDisk() {
    return OpenHeader(ByteView(disk_.contents()).first(kHeaderSize), keys_)->header.epochs.size();
  }

  TestVolume volume_{Cipher::kAes256Ctr};
  VolumeKeys keys_ = volume_.Keys();
  MemoryFile disk_;
  Bytes contents_;
  KeystreamWatch watch_;
};

constexpr ErrorCode kRefused = ErrorCode::kWriteOnce;

TEST_F(WriteOnceTest, EveryLengthInPiecesOfEverySizeReadsBack) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    disk_.contents().clear();
    contents_.clear();
    auto file = Open();
    while (contents_.size() < 4200) {
      ASSERT_TRUE(Append(*file, Pattern(piece, static_cast<std::uint32_t>(piece))).ok());
    }
    EXPECT_EQ(EpochsOnDisk(), 1U) << "one opening needs one epoch, whatever the pieces";
    ExpectContentsNowAndReopened(std::move(file));
  }
}

TEST_F(WriteOnceTest, TheEndIsReadBeforeItIsOnTheDisk) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(21)).ok());
  EXPECT_EQ(disk_.contents().size(), BackingSizeOf({21}).bytes);
  EXPECT_TRUE(AllZero(ByteView(disk_.contents()).subspan(kHeaderSize + 16))) << "it waits";
  ExpectContents(*file);
  ASSERT_TRUE(file->Flush().ok());
  EXPECT_FALSE(AllZero(ByteView(disk_.contents()).subspan(kHeaderSize + 16)));
  ExpectContentsNowAndReopened(std::move(file));
}

// Hazard 1.
TEST_F(WriteOnceTest, OverwritingIsRefusedAndChangesNothing) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(5000)).ok());
  for (const std::uint64_t offset : {0, 15, 16, 4095, 4990, 4999}) {
    const Status refused = Write(*file, offset, Pattern(3, 9));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), kRefused);
    EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("written once"));
  }
  ExpectContentsNowAndReopened(std::move(file));
  EXPECT_EQ(Write(*Open(), 0, Pattern(3, 9)).error().code(), kRefused);
}

TEST_F(WriteOnceTest, TheSameBytesOnceMoreAreNoChange) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(5000)).ok());
  const Bytes disk = disk_.contents();
  ASSERT_TRUE(Write(*file, 100, ToBytes(ByteView(contents_).subspan(100, 4900))).ok());
  EXPECT_EQ(disk_.contents(), disk);
  Bytes longer = contents_;
  const Bytes more = Pattern(77, 3);
  longer.insert(longer.end(), more.begin(), more.end());
  ASSERT_TRUE(Write(*file, 0, longer).ok());
  ExpectContentsNowAndReopened(std::move(file));
}

// Hazard 2.
TEST_F(WriteOnceTest, TruncateThenAppendUsesAFreshKeystream) {
  AtEveryCut(70, [this](File& file) { ASSERT_TRUE(Append(file, Pattern(60, 2)).ok()); });
}

TEST_F(WriteOnceTest, TruncateThenGrowShowsZeros) {
  AtEveryCut(40, [this](File& file) { ASSERT_TRUE(Truncate(file, 55).ok()); });
}

// Hazard 3: a recycled file keeps its contents, and so cannot be written over.
TEST_F(WriteOnceTest, ARecycledFileIsRefusedUntilItIsTruncated) {
  ASSERT_TRUE(Append(*Open(), Pattern(9000, 1)).ok());
  EXPECT_EQ(Write(*Open(), 0, Pattern(9000, 2)).error().code(), kRefused);
  auto file = Open();
  ASSERT_TRUE(Truncate(*file, 0).ok());
  ASSERT_TRUE(Write(*file, 0, Pattern(9000, 2)).ok());
  EXPECT_EQ(EpochsOnDisk(), 1U) << "nothing of the old contents is left to read";
  ExpectContentsNowAndReopened(std::move(file));
}

// Hazard 4.
TEST_F(WriteOnceTest, AFilledFileIsNotWrittenOverButAPreallocatedOneIs) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Bytes(8192)).ok());
  EXPECT_EQ(Write(*file, 0, Pattern(100)).error().code(), kRefused);
  disk_.contents().clear();
  contents_.clear();
  file = Open();
  contents_.resize(8192);
  ASSERT_TRUE(file->Allocate(AllocateMode::kExtend, 0, 8192).ok());
  for (std::size_t at = 0; at < 3000; at += 100) {
    ASSERT_TRUE(Write(*file, at, Pattern(100, static_cast<std::uint32_t>(at))).ok());
  }
  ExpectContentsNowAndReopened(std::move(file));
}

// Hazard 5: two copies of one ciphertext go on differently.
TEST_F(WriteOnceTest, CopiesOfTheCiphertextGoOnUnderKeystreamsOfTheirOwn) {
  ASSERT_TRUE(Append(*Open(), Pattern(1000)).ok());
  const Bytes copied = disk_.contents();
  const Bytes before = contents_;
  ASSERT_TRUE(Append(*Open(), Pattern(500, 2)).ok());
  disk_.contents() = copied;
  contents_ = before;
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(500, 3)).ok());
  ExpectContentsNowAndReopened(std::move(file));
}

// Hazard 7.
TEST_F(WriteOnceTest, EveryEpochHasACounterOfItsOwn) {
  constexpr int kMany = 4000;
  std::set<CounterBlock> counters;
  int ones[128] = {};
  for (int i = 0; i < kMany; ++i) {
    const CounterBlock counter = FirstEpoch().back().counter;
    counters.insert(counter);
    for (int bit = 0; bit < 128; ++bit) ones[bit] += counter[bit / 8] >> bit % 8 & 1;
  }
  EXPECT_EQ(counters.size(), std::size_t{kMany});
  // Eight standard deviations around one half.
  for (const int count : ones) EXPECT_NEAR(count, kMany / 2, 8 * 32);
}

TEST_F(WriteOnceTest, ASyncedPartialBlockGoesOnUnderAnotherEpoch) {
  auto file = Open();
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(Append(*file, Pattern(21, static_cast<std::uint32_t>(i))).ok());
    ASSERT_TRUE(file->Sync(SyncKind::kData).ok());
  }
  ExpectContentsNowAndReopened(std::move(file));
}

TEST_F(WriteOnceTest, TooManyStepsAreRefusedAndLeaveTheFileAsItWas) {
  auto file = Open();
  Status last;
  int steps = 0;
  while (last.ok() && steps < 100) {
    last = Append(*file, Pattern(21, static_cast<std::uint32_t>(++steps)));
    if (last.ok()) {
      ASSERT_TRUE(file->Sync(SyncKind::kData).ok());
    }
  }
  EXPECT_EQ(last.error().code(), kRefused);
  EXPECT_EQ(steps, static_cast<int>(kMostEpochs) - 1);
  ExpectContentsNowAndReopened(std::move(file));
}

TEST_F(WriteOnceTest, AFullDiskTakesNothingOfAWriteAndTheNextOneHasFreshKeystream) {
  for (const std::size_t start : {0, 5, 16, 4090}) {
    for (const bool preallocated : {false, true}) {
      disk_.contents().clear();
      contents_.clear();
      BorrowedFile* below = nullptr;
      auto watched = std::make_unique<Watched>(*this);
      below = watched.get();
      auto opened = EncryptedFile::Open(std::move(watched), keys_);
      ASSERT_TRUE(opened.ok());
      File& file = **opened;
      if (preallocated) {
        contents_.resize(20000);
        ASSERT_TRUE(file.Allocate(AllocateMode::kExtend, 0, 20000).ok());
      }
      if (start != 0) {
        ASSERT_TRUE(Write(file, 0, Pattern(start)).ok());
      }
      if (start == 5) {
        ASSERT_TRUE(file.Sync(SyncKind::kData).ok());
      }
      if (start == 5) {
        ASSERT_TRUE(Write(file, 5, Pattern(2)).ok());
      }
      const std::size_t at = start == 5 ? 7 : start;
      below->FailWrite(0, 4096);
      EXPECT_EQ(Write(file, at, Pattern(9000, 2)).error().code(), ErrorCode::kNoSpace);
      ExpectContents(file);
      ASSERT_TRUE(Write(file, at, Pattern(9000, 3)).ok());
      ExpectContents(file);
      opened->reset();
      ExpectContents(*Open());
    }
  }
}

TEST_F(WriteOnceTest, AWriteThatCannotGrowTheFileLeavesItsEndWhereItWas) {
  class Limited : public Watched {
   public:
    using Watched::Watched;
    Status Truncate(std::uint64_t size) override {
      if (size > 1 << 20) return Error(ErrorCode::kTooLarge, "the disk's limit");
      return Watched::Truncate(size);
    }
  };
  auto opened = EncryptedFile::Open(std::make_unique<Limited>(*this), keys_);
  ASSERT_TRUE(opened.ok());
  File& file = **opened;
  ASSERT_TRUE(Append(file, Pattern(20)).ok());
  EXPECT_EQ(file.WriteAt(1 << 24, Pattern(1)).error().code(), ErrorCode::kTooLarge);
  ASSERT_TRUE(Append(file, Pattern(5, 2)).ok());
  ExpectContents(file);
}

TEST_F(WriteOnceTest, BothHeaderSlotsKnowANewEpoch) {
  ASSERT_TRUE(Append(*Open(), Pattern(1000)).ok());
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(500, 2)).ok());
  file.reset();
  const Bytes whole = disk_.contents();
  for (const std::size_t slot : kSlotOffset) {
    disk_.contents() = whole;
    disk_.contents()[slot + 490] ^= 1;
    ExpectContents(*Open());
  }
}

TEST_F(WriteOnceTest, HolesCanBePunchedAndStayZeros) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(9000)).ok());
  std::fill(contents_.begin() + 4096, contents_.begin() + 8192, 0);
  ASSERT_TRUE(file->Allocate(AllocateMode::kPunchHole, 4096, 4096).ok());
  EXPECT_EQ(file->Allocate(AllocateMode::kPunchHole, 5, 20).error().code(), kRefused);
  EXPECT_EQ(Write(*file, 5000, Pattern(10)).error().code(), kRefused);
  ExpectContentsNowAndReopened(std::move(file));
}

TEST_F(WriteOnceTest, ACutBelowTheWatermarkEndsTheReencryption) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(13833)).ok());
  volume_.AddDek();
  ASSERT_TRUE(keys_.Replace(volume_.Keys()).ok());
  NoJournal journal;
  ASSERT_TRUE(file->ReencryptStep(journal, 4096).ok());
  ASSERT_TRUE(Truncate(*file, 512).ok());
  ASSERT_TRUE(Append(*file, Pattern(380, 2)).ok());
  ExpectContentsNowAndReopened(std::move(file));
}

TEST_F(WriteOnceTest, AnAppendBehindTheWatermarkIsReencryptedToo) {
  auto file = Open();
  ASSERT_TRUE(Append(*file, Pattern(13833)).ok());
  volume_.AddDek();
  ASSERT_TRUE(keys_.Replace(volume_.Keys()).ok());
  NoJournal journal;
  ASSERT_TRUE(file->ReencryptStep(journal, 4096).ok());
  file = Open();
  ASSERT_TRUE(Append(*file, Pattern(3000, 2)).ok());
  while (!file->ReencryptStep(journal, 4096)->done) ExpectContents(*file);
  EXPECT_FALSE(file->Keys().previous.has_value());
  ExpectContentsNowAndReopened(std::move(file));
}

}  // namespace
}  // namespace freehold
