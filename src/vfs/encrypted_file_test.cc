#include "vfs/encrypted_file.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vfs/memory_file.h"
#include "vfs/test_volume.h"

namespace freehold {
namespace {

class EncryptedFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> Open() {
    auto opened = EncryptedFile::Open(std::make_unique<BorrowedFile>(disk_), keys_);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return std::move(*opened);
  }
  ErrorCode OpenError() {
    return EncryptedFile::Open(std::make_unique<BorrowedFile>(disk_), keys_).error().code();
  }
  static Bytes ReadAll(File& file) {
    Bytes out(*file.Size());
    EXPECT_EQ(*file.ReadAt(0, out), out.size());
    return out;
  }

  VolumeKeys keys_ = TestKeys();
  MemoryFile disk_;
};

Bytes Pattern(std::size_t size, int seed = 1) {
  std::mt19937 random(seed);
  Bytes out(size);
  for (auto& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

TEST_F(EncryptedFileTest, ANewFileHasNoHeaderAndNoBytes) {
  auto file = Open();
  EXPECT_EQ(*file->Size(), 0U);
  EXPECT_TRUE(disk_.contents().empty());
}

TEST_F(EncryptedFileTest, EveryLengthHasItsWorkedSizeAndReadsBackAfterReopening) {
  for (std::size_t length = 1; length < 70; ++length) {
    disk_.contents().clear();
    const Bytes data = Pattern(length);
    ASSERT_TRUE(Open()->WriteAt(0, data).ok());
    EXPECT_EQ(disk_.contents().size(), BackingSizeOf({length}).bytes);
    EXPECT_EQ(ReadAll(*Open()), data);
  }
}

TEST_F(EncryptedFileTest, ThePlaintextIsNotOnTheDisk) {
  const std::string secret = "a sentence that must not be found on the disk";
  ASSERT_TRUE(Open()->WriteAt(100, AsBytes(secret)).ok());
  EXPECT_EQ(AsText(disk_.contents()).find(secret.substr(0, 8)), std::string_view::npos);
}

// Every pair of lengths modulo 16 around one block: write, resize, resize back, compare with a
// plain file. Covers 'stale slack' and 'grow over padding'.
TEST_F(EncryptedFileTest, ResizingBetweenAllLengthsNeverShowsOldBytes) {
  for (std::size_t from = 0; from <= 50; ++from) {
    for (std::size_t to = 0; to <= 50; ++to) {
      disk_.contents().clear();
      auto file = Open();
      Bytes model = Pattern(from);
      ASSERT_TRUE(file->WriteAt(0, model).ok());
      for (std::size_t size : {to, from, std::size_t{60}, to}) {
        ASSERT_TRUE(file->Truncate(size).ok());
        model.resize(size);
        ASSERT_EQ(ReadAll(*file), model) << from << " to " << to;
        ASSERT_EQ(disk_.contents().size(), size == 0 && from == 0 && to == 0
                                               ? disk_.contents().size()
                                               : BackingSizeOf({size}).bytes);
      }
      ASSERT_EQ(ReadAll(*Open()), model);
    }
  }
}

TEST_F(EncryptedFileTest, SlackIsZeroOnDiskWheneverTheLastBlockIsPartial) {
  auto file = Open();
  ASSERT_TRUE(file->WriteAt(0, Pattern(200)).ok());
  for (std::size_t size : {199, 183, 170, 33, 31, 5}) {
    ASSERT_TRUE(file->Truncate(size).ok());
    const ByteView slack = ByteView(disk_.contents()).last(size % 16);
    EXPECT_TRUE(AllZero(slack)) << size;
  }
}

// A crash can leave bytes of a lost write in the slack and in the padding. Growing must not show
// them, and must make them zeros durably before the new length.
TEST_F(EncryptedFileTest, StaleSlackAfterACrashIsCleanedAndSyncedBeforeGrowing) {
  for (std::size_t length = 1; length < 16; ++length) {
    disk_.contents().clear();
    ASSERT_TRUE(Open()->WriteAt(0, Pattern(48)).ok());
    disk_.contents().resize(BackingSizeOf({length}).bytes);  // the length was lost, the data not
    const int syncs = disk_.syncs();
    auto file = Open();
    Bytes model = Pattern(48);
    model.resize(length);
    EXPECT_EQ(ReadAll(*file), model);
    ASSERT_TRUE(file->Truncate(64).ok());
    model.resize(64);
    EXPECT_EQ(ReadAll(*file), model);
    EXPECT_GT(disk_.syncs(), syncs);
  }
}

TEST_F(EncryptedFileTest, HolesAndPunchedRangesReadAsZeros) {
  auto file = Open();
  ASSERT_TRUE(file->WriteAt(10000, AsBytes("tail")).ok());
  Bytes model(10004);
  std::copy_n("tail", 4, model.begin() + 10000);
  EXPECT_EQ(ReadAll(*file), model);
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const Bytes data = Pattern(random() % 300 + 1, i);
    const std::size_t at = random() % 9700;
    ASSERT_TRUE(file->WriteAt(at, data).ok());
    std::copy(data.begin(), data.end(), model.begin() + at);
    const std::size_t hole = random() % 10004;
    const std::size_t length = random() % 200 + 1;
    ASSERT_TRUE(
        file->Allocate(i % 2 ? AllocateMode::kPunchHole : AllocateMode::kZeroRange, hole, length)
            .ok());
    std::fill(model.begin() + hole, model.begin() + std::min(hole + length, model.size()), 0);
    ASSERT_EQ(ReadAll(*file), model) << i;
  }
}

TEST_F(EncryptedFileTest, RandomProgramsBehaveLikeAPlainFile) {
  std::mt19937 random(42);
  auto file = Open();
  MemoryFile model;
  for (int step = 0; step < 30000; ++step) {
    const std::uint64_t at = random() % 9000;
    switch (random() % 7) {
      case 0:
      case 1: {
        const Bytes data = Pattern(random() % 5000, step);
        ASSERT_TRUE(file->WriteAt(at, data).ok());
        if (!data.empty()) {
          ASSERT_TRUE(model.WriteAt(at, data).ok());
        }
        break;
      }
      case 2:
        ASSERT_TRUE(file->Truncate(at).ok());
        ASSERT_TRUE(model.Truncate(at).ok());
        break;
      case 3: {
        const auto mode = static_cast<AllocateMode>(random() % 4);
        const std::uint64_t length = random() % 3000 + 1;
        ASSERT_TRUE(file->Allocate(mode, at, length).ok());
        ASSERT_TRUE(model.Allocate(mode, at, length).ok());
        break;
      }
      case 4:
        file = Open();
        break;
      default: {
        Bytes got(random() % 6000);
        Bytes wanted(got.size());
        const std::size_t n = *file->ReadAt(at, got);
        ASSERT_EQ(n, *model.ReadAt(at, wanted));
        got.resize(n);
        wanted.resize(n);
        ASSERT_EQ(got, wanted) << step;
      }
    }
    ASSERT_EQ(*file->Size(), *model.Size()) << step;
  }
}

TEST_F(EncryptedFileTest, TruncatingToZeroKeepsTheSalt) {
  auto file = Open();
  ASSERT_TRUE(file->WriteAt(0, Pattern(100)).ok());
  const Bytes header(disk_.contents().begin(), disk_.contents().begin() + 4096);
  ASSERT_TRUE(file->Truncate(0).ok());
  ASSERT_TRUE(file->WriteAt(0, Pattern(50)).ok());
  EXPECT_EQ(Bytes(disk_.contents().begin(), disk_.contents().begin() + 4096), header);
}

TEST_F(EncryptedFileTest, OneDamagedHeaderSlotIsSurvivedAndTwoAreRefused) {
  ASSERT_TRUE(Open()->WriteAt(0, Pattern(100)).ok());
  const Bytes good = disk_.contents();
  for (std::size_t byte = 0; byte < kSlotSize; byte += 7) {
    for (int slot : {0, 1}) {
      disk_.contents() = good;
      disk_.contents()[kSlotOffset[slot] + byte] ^= 0x40;
      EXPECT_EQ(ReadAll(*Open()), Pattern(100));
    }
    disk_.contents()[kSlotOffset[0] + byte] ^= 0x40;
    EXPECT_NE(OpenError(), ErrorCode::kInternal);
  }
}

TEST_F(EncryptedFileTest, AFileOfAnotherVolumeIsRefusedByName) {
  const VolumeKeys other = TestKeys();
  {
    auto foreign = EncryptedFile::Open(std::make_unique<BorrowedFile>(disk_), other);
    ASSERT_TRUE((*foreign)->WriteAt(0, Pattern(10)).ok());
  }
  auto opened = EncryptedFile::Open(std::make_unique<BorrowedFile>(disk_), keys_);
  EXPECT_EQ(opened.error().code(), ErrorCode::kFileCorrupt);
  EXPECT_THAT(opened.error().message(), ::testing::HasSubstr("another volume"));
}

TEST_F(EncryptedFileTest, AnAllZeroHeaderFailsClosed) {
  disk_.contents().assign(8192, 0);
  EXPECT_EQ(OpenError(), ErrorCode::kFileCorrupt);
}

TEST_F(EncryptedFileTest, AFileCutAtAnyLengthIsAPrefixOrAnErrorNeverNoise) {
  const Bytes data = Pattern(100);
  ASSERT_TRUE(Open()->WriteAt(0, data).ok());
  const Bytes whole = disk_.contents();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    disk_.contents() = Bytes(whole.begin(), whole.begin() + length);
    if (length > 0 && length < kHeaderSize) {
      EXPECT_EQ(OpenError(), ErrorCode::kFileCorrupt);
      continue;
    }
    // A cut inside the slack shows up to 15 bytes of the padding: zeros, never noise.
    const Bytes read = ReadAll(*Open());
    const std::size_t common = std::min(read.size(), data.size());
    EXPECT_TRUE(std::equal(read.begin(), read.begin() + common, data.begin())) << length;
    EXPECT_TRUE(AllZero(ByteView(read).subspan(common))) << length;
    EXPECT_LE(read.size() - common, 15U);
  }
}

TEST_F(EncryptedFileTest, WhatIsLeftOfACutBlockIsGoneBeforeTheFileGrowsOverIt) {
  ASSERT_TRUE(Open()->WriteAt(0, Pattern(16)).ok());
  disk_.contents().resize(kHeaderSize + 12);
  auto file = Open();
  EXPECT_EQ(*file->Size(), 0U);
  ASSERT_TRUE(file->WriteAt(40, AsBytes("tail")).ok());
  Bytes model(44);
  std::copy_n("tail", 4, model.begin() + 40);
  EXPECT_EQ(ReadAll(*file), model);
}

TEST_F(EncryptedFileTest, AFullDiskInTheMiddleOfAWriteLosesNothingThatWasThere) {
  for (std::size_t partial = 0; partial < 200; partial += 3) {
    disk_.contents().clear();
    const Bytes data = Pattern(75);
    ASSERT_TRUE(Open()->WriteAt(0, data).ok());
    auto window = std::make_unique<BorrowedFile>(disk_);
    window->FailWrite(0, partial);
    auto file = *EncryptedFile::Open(std::move(window), keys_);
    EXPECT_EQ(file->WriteAt(75, Pattern(150, 2)).error().code(), ErrorCode::kNoSpace);
    EXPECT_EQ(ReadAll(*file), data);
    EXPECT_EQ(ReadAll(*Open()), data);
    ASSERT_TRUE(file->WriteAt(75, Pattern(150, 2)).ok());
    Bytes model = data;
    const Bytes more = Pattern(150, 2);
    model.insert(model.end(), more.begin(), more.end());
    EXPECT_EQ(ReadAll(*Open()), model);
  }
}

}  // namespace
}  // namespace freehold
