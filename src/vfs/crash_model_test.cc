// The crash model's short run, and every pair of lengths with every crash, one by one.
// `make crash-model` runs millions of random operations.
#include "vfs/crash_model.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vfs/encrypted_file.h"
#include "vfs/memory_file.h"
#include "vfs/test_volume.h"

namespace freehold {
namespace {

using ::testing::Optional;

// Runs through all answers to a row of questions that each have `count` answers.
class EveryChoice {
 public:
  std::size_t operator()(std::size_t count) {
    if (at_ == answers_.size()) answers_.push_back({0, count});
    return answers_[at_++].chosen;
  }
  // False when all rows of answers were given.
  bool Next() {
    at_ = 0;
    while (!answers_.empty() && ++answers_.back().chosen == answers_.back().count) {
      answers_.pop_back();
    }
    return !answers_.empty();
  }

 private:
  struct Answer {
    std::size_t chosen;
    std::size_t count;
  };
  std::vector<Answer> answers_;
  std::size_t at_ = 0;
};

Bytes Filled(std::size_t size, std::uint8_t with) { return Bytes(size, with); }

class CrashModelTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> Open(CrashingFile& disk) {
    auto opened = OpenAfterCrash(disk, keys_);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return std::move(*opened);
  }

  // The disk of a file of `size` bytes, synced.
  Bytes SyncedDisk(std::size_t size) {
    CrashingFile disk;
    auto file = Open(disk);
    EXPECT_TRUE(file->WriteAt(0, Filled(size, 0xAA)).ok());
    EXPECT_TRUE(file->Sync(SyncKind::kData).ok());
    return ToBytes(disk.contents());
  }

  // From `old_size` to `new_size` in one way or the other, unsynced; then every crash; then the
  // file grows, and every crash again.
  void TryPair(const Bytes& start, std::size_t old_size, std::size_t new_size, bool by_truncate) {
    EveryChoice first;
    do {
      UnsyncedHistory promised(kBlockSize);
      promised.Write(0, Filled(old_size, 0xAA));
      promised.Sync();
      CrashingFile disk(start);
      Change(disk, promised, new_size, by_truncate);
      disk.Crash(std::ref(first));
      const Bytes left = Judge(disk, promised);
      if (HasFailure()) return;
      GrowAndCrash(ToBytes(disk.contents()), left);
      if (HasFailure()) return;
      ++crashes_;
    } while (first.Next());
  }

  void Change(CrashingFile& disk, UnsyncedHistory& promised, std::size_t size, bool by_truncate) {
    auto file = Open(disk);
    const std::size_t old_size = promised.now().size();
    if (by_truncate || size < old_size) {
      promised.Resize(size);
      ASSERT_TRUE(file->Truncate(size).ok());
    }
    if (!by_truncate) {
      // Over the old end, or over what is now the end.
      const std::size_t from = std::min(old_size, size) - 3;
      promised.Write(from, Filled(size - from, 0xBB));
      ASSERT_TRUE(file->WriteAt(from, Filled(size - from, 0xBB)).ok());
    }
  }

  void GrowAndCrash(const Bytes& disk_bytes, const Bytes& contents) {
    EveryChoice second;
    do {
      UnsyncedHistory promised(kBlockSize);
      promised.Write(0, contents);
      promised.Sync();
      CrashingFile disk(disk_bytes);
      Change(disk, promised, contents.size() + 40, true);
      disk.Crash(std::ref(second));
      Judge(disk, promised);
      ++crashes_;
    } while (second.Next() && !HasFailure());
  }

  Bytes Judge(CrashingFile& disk, const UnsyncedHistory& promised) {
    auto read = ReadWhole(*Open(disk));
    EXPECT_TRUE(read.ok());
    EXPECT_EQ(promised.Forbids(*read), std::nullopt);
    return *read;
  }

  const VolumeKeys keys_ = TestKeys();
  int crashes_ = 0;
};

// The ends of a sector and of a unit lie among the lengths, so that the last block and its slack
// are on one sector or on two, in one page or in two.
TEST_F(CrashModelTest, EveryPairOfLengthsModuloSixteenSurvivesEveryCrash) {
  for (const std::size_t base : {496, 4079}) {
    for (std::size_t old_size = base; old_size < base + 34; ++old_size) {
      const Bytes start = SyncedDisk(old_size);
      for (std::size_t new_size = base; new_size < base + 34; ++new_size) {
        for (const bool by_truncate : {false, true}) {
          SCOPED_TRACE(::testing::Message() << old_size << " to " << new_size
                                            << (by_truncate ? " by truncate" : " by write"));
          TryPair(start, old_size, new_size, by_truncate);
          ASSERT_FALSE(HasFailure());
        }
      }
    }
  }
  EXPECT_GT(crashes_, 20000);
  RecordProperty("crashes", crashes_);
}

TEST_F(CrashModelTest, RandomProgramsKeepWhatWasSynced) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CrashModel model(seed);
    const auto wrong = model.Run(20000);
    ASSERT_EQ(wrong, std::nullopt) << "seed " << seed;
    EXPECT_GT(model.crashes(), 2000U);
  }
}

TEST_F(CrashModelTest, RandomProgramsOnFilesWrittenOnceNeverUseKeystreamTwice) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CrashModel model(seed, Cipher::kAes256Ctr);
    const auto wrong = model.Run(20000);
    ASSERT_EQ(wrong, std::nullopt) << "seed " << seed;
    EXPECT_GT(model.crashes(), 2000U);
    EXPECT_GT(model.refusals(), 1000U);
    EXPECT_GT(model.blocks_written(), 20000U);
  }
}

TEST(UnsyncedHistoryTest, ACrashLosesOnlyWhatWasNotSynced) {
  UnsyncedHistory disk(4);
  disk.Write(0, AsBytes("aaaabbbb"));
  disk.Sync();
  disk.Write(2, AsBytes("XXXXXX+more"));
  disk.Crash([](std::size_t) { return 0; });
  EXPECT_EQ(AsText(disk.now()), "aaaabbbb");
}

TEST(UnsyncedHistoryTest, ACrashTearsAWriteBetweenItsSectors) {
  std::set<std::string> outcomes;
  EveryChoice choice;
  do {
    UnsyncedHistory disk(4);
    disk.Write(0, AsBytes("aaaabbbb"));
    disk.Sync();
    disk.Write(2, AsBytes("XXXX"));
    disk.Crash(std::ref(choice));
    outcomes.emplace(AsText(disk.now()));
  } while (choice.Next());
  EXPECT_THAT(outcomes, ::testing::ElementsAre("aaXXXXbb", "aaXXbbbb", "aaaaXXbb", "aaaabbbb"));
}

TEST(UnsyncedHistoryTest, TheLengthAndTheBytesAreLostIndependently) {
  std::set<std::string> outcomes;
  EveryChoice choice;
  do {
    UnsyncedHistory disk(4);
    disk.Write(0, AsBytes("aa"));
    disk.Sync();
    disk.Write(2, AsBytes("bb"));
    disk.Resize(1);
    disk.Crash(std::ref(choice));
    disk.Resize(4);
    outcomes.emplace(AsText(disk.now()));
  } while (choice.Next());
  const std::string zeros(4, '\0');
  EXPECT_THAT(outcomes, ::testing::UnorderedElementsAre("a" + zeros.substr(1),
                                                        "aa" + zeros.substr(2), "aabb"));
}

TEST(UnsyncedHistoryTest, WhatNeverWasIsForbidden) {
  UnsyncedHistory promised(4);
  promised.Write(0, AsBytes("aaaabbbb"));
  promised.Sync();
  promised.Write(4, AsBytes("cccc"));
  promised.Resize(6);
  EXPECT_EQ(promised.Forbids(AsBytes("aaaabbbb")), std::nullopt);
  EXPECT_EQ(promised.Forbids(AsBytes("aaaacccc")), std::nullopt);
  EXPECT_EQ(promised.Forbids(AsBytes("aaaabb")), std::nullopt);
  EXPECT_THAT(promised.Forbids(AsBytes("aaaabbcc")),
              Optional(::testing::HasSubstr("bytes 4 to 8")));
  EXPECT_THAT(promised.Forbids(AsBytes("aaazcccc")),
              Optional(::testing::HasSubstr("bytes 0 to 4")));
  EXPECT_THAT(promised.Forbids(AsBytes("aaaab")), Optional(::testing::HasSubstr("5 bytes long")));
}

TEST(CrashingFileTest, WhatComesAfterThePowerWentDoesNothing) {
  CrashingFile disk;
  disk.CutPowerAfter(2);
  EXPECT_TRUE(disk.WriteAt(0, AsBytes("one")).ok());
  EXPECT_TRUE(disk.Sync(SyncKind::kData).ok());
  EXPECT_EQ(disk.WriteAt(0, AsBytes("two")).error().code(), ErrorCode::kIo);
  EXPECT_FALSE(disk.Sync(SyncKind::kData).ok());
  disk.Crash([](std::size_t count) { return count - 1; });
  EXPECT_EQ(AsText(disk.contents()), "one");
  EXPECT_TRUE(disk.WriteAt(0, AsBytes("two")).ok());
}

}  // namespace
}  // namespace freehold
