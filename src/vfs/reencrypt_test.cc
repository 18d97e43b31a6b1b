#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vfs/encrypted_file.h"
#include "vfs/encrypted_header.h"
#include "vfs/memory_file.h"
#include "vfs/test_volume.h"

namespace freehold {
namespace {

constexpr std::uint64_t kChunk = 8192;

Bytes Pattern(std::size_t size, int seed) {
  std::mt19937 random(seed);
  Bytes out(size);
  for (auto& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

// What is on the disk, and what would be left of it after a power loss: sectors that were written
// since the last sync are old or new, each by itself.
class Disk {
 public:
  MemoryFile current;
  Bytes synced;

  void LosePower(std::mt19937& random) {
    Bytes left = current.contents();
    for (std::size_t at = 0; at < left.size(); at += 512) {
      const std::size_t size = std::min<std::size_t>(512, left.size() - at);
      if (random() % 2 == 0) continue;
      for (std::size_t i = at; i < at + size; ++i) left[i] = i < synced.size() ? synced[i] : 0;
    }
    current.contents() = left;
    synced = left;
  }
};

// The machine that stops at its n-th write or sync; a write is cut in two by that.
class Machine {
 public:
  explicit Machine(int operations) : left_(operations) {}
  bool stopped() const { return left_ <= 0; }
  Status Write(Disk& disk, std::uint64_t offset, ByteView data) {
    if (stopped()) return Stopped();
    if (--left_ == 0) data = data.first(data.size() / 2);
    TRY(disk.current.WriteAt(offset, data));
    return stopped() ? Stopped() : Status{};
  }
  Status Sync(Disk& disk) {
    if (stopped() || --left_ == 0) return Stopped();
    disk.synced = disk.current.contents();
    return {};
  }

 private:
  static Status Stopped() { return Error(ErrorCode::kIo, "the machine has stopped"); }
  int left_;
};

class MachineFile : public BorrowedFile {
 public:
  MachineFile(Machine& machine, Disk& disk)
      : BorrowedFile(disk.current), machine_(machine), disk_(disk) {}
  Status WriteAt(std::uint64_t offset, ByteView data) override {
    return machine_.Write(disk_, offset, data);
  }
  Status Sync(SyncKind) override { return machine_.Sync(disk_); }

 private:
  Machine& machine_;
  Disk& disk_;
};

class MachineJournal : public ReencryptJournal {
 public:
  MachineJournal(Machine& machine, Disk& disk) : machine_(machine), disk_(disk) {}
  Status Record(ByteView encoded) override {
    TRY(machine_.Write(disk_, 0, encoded));
    TRY(disk_.current.Truncate(encoded.size()));
    return machine_.Sync(disk_);
  }

 private:
  Machine& machine_;
  Disk& disk_;
};

class Reencryption : public ::testing::Test {
 protected:
  static constexpr int kForever = 1 << 30;

  std::unique_ptr<EncryptedFile> Open(Machine& machine) {
    auto opened = EncryptedFile::Open(std::make_unique<MachineFile>(machine, disk_), keys_);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    if (!opened.ok()) return nullptr;
    return std::unique_ptr<EncryptedFile>(static_cast<EncryptedFile*>(opened->release()));
  }
  void StartAgain() {
    volume_ = TestVolume();
    keys_ = volume_.Keys();
    for (Disk* disk : {&disk_, &journal_}) {
      disk->current.contents().clear();
      disk->synced.clear();
    }
  }
  void WriteOld(const Bytes& data, std::uint64_t at = 0) {
    Machine machine(kForever);
    auto file = Open(machine);
    ASSERT_TRUE(file->WriteAt(at, data).ok());
    ASSERT_TRUE(file->Sync(SyncKind::kDataAndMetadata).ok());
  }
  Bytes ReadAll() {
    Machine machine(kForever);
    auto file = Open(machine);
    if (file == nullptr) return {};
    Bytes out(*file->Size());
    EXPECT_EQ(*file->ReadAt(0, out), out.size());
    return out;
  }
  // What an opening after a crash does.
  bool Redo() {
    auto record = DecodeReencryptRecord(journal_.current.contents(), keys_);
    if (!record.ok()) return false;
    return *RedoReencryption(disk_.current, *record, keys_);
  }
  void AddDek() {
    volume_.AddDek();
    ASSERT_TRUE(keys_.Replace(volume_.Keys()).ok());
  }
  void DropOldestDek() {
    volume_.DropOldestDek();
    ASSERT_TRUE(keys_.Replace(volume_.Keys()).ok());
  }
  MachineJournal FirstStep(EncryptedFile& file, Machine& machine) {
    MachineJournal journal(machine, journal_);
    EXPECT_TRUE(file.ReencryptStep(journal, kChunk).ok());
    return journal;
  }
  // To its end; false when the machine stopped first.
  bool Run(Machine& machine) {
    auto file = Open(machine);
    MachineJournal journal(machine, journal_);
    for (;;) {
      auto step = file->ReencryptStep(journal, kChunk);
      if (!step.ok()) return false;
      if (step->done) return true;
    }
  }

  TestVolume volume_;
  VolumeKeys keys_ = volume_.Keys();
  Disk disk_;
  Disk journal_;
};

TEST_F(Reencryption, AWholeFileComesUnderTheNewDekAndNeedsTheOldOneNoMore) {
  for (const std::size_t size : {1, 15, 16, 17, 4096, 4097, 8192, 20'000, 65'536}) {
    disk_.current.contents().clear();
    const Bytes data = Pattern(size, 1);
    WriteOld(data);
    const Bytes old = disk_.current.contents();
    AddDek();
    Machine machine(kForever);
    EXPECT_TRUE(Run(machine));
    EXPECT_EQ(disk_.current.contents().size(), old.size());
    EXPECT_NE(disk_.current.contents(), old);
    DropOldestDek();
    EXPECT_EQ(ReadAll(), data);
    const auto header = OpenHeader(ByteView(disk_.current.contents()).first(4096), keys_);
    EXPECT_TRUE(header->slot_valid[0] && header->slot_valid[1]);
  }
}

TEST_F(Reencryption, AFileUnderTheNewestDekIsLeftAlone) {
  AddDek();
  WriteOld(Pattern(5000, 2));
  const Bytes before = disk_.current.contents();
  Machine machine(kForever);
  EXPECT_TRUE(Run(machine));
  EXPECT_EQ(disk_.current.contents(), before);
  EXPECT_TRUE(journal_.current.contents().empty());
}

TEST_F(Reencryption, ABlockThatWasNeverWrittenStaysZerosBelow) {
  WriteOld(Pattern(100, 3), 50'000);
  AddDek();
  Machine machine(kForever);
  EXPECT_TRUE(Run(machine));
  EXPECT_TRUE(AllZero(ByteView(disk_.current.contents()).subspan(4096, 49'000)));
  EXPECT_TRUE(AllZero(ByteView(ReadAll()).first(50'000)));
}

TEST_F(Reencryption, WritersOnBothSidesOfTheWatermarkAreHeeded) {
  std::mt19937 random(4);
  Bytes model = Pattern(60'000, 4);
  WriteOld(model);
  AddDek();
  Machine machine(kForever);
  auto file = Open(machine);
  MachineJournal journal(machine, journal_);
  for (int i = 0;; ++i) {
    auto step = file->ReencryptStep(journal, kChunk);
    ASSERT_TRUE(step.ok());
    for (int writes = 0; writes < 5; ++writes) {
      const Bytes data = Pattern(1 + random() % 9000, static_cast<int>(random()));
      const std::size_t at = random() % (model.size() + 100);
      ASSERT_TRUE(file->WriteAt(at, data).ok());
      if (model.size() < at + data.size()) model.resize(at + data.size());
      std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (i % 3 == 2) {
      model.resize(random() % 90'000);
      ASSERT_TRUE(file->Truncate(model.size()).ok());
    }
    Bytes all(model.size());
    ASSERT_EQ(*file->ReadAt(0, all), all.size());
    ASSERT_EQ(all, model) << "after step " << i;
    if (step->done) break;
  }
  DropOldestDek();
  EXPECT_EQ(ReadAll(), model);
}

// Dies at every write and every sync in turn; what was not synced is lost, sector by sector.
TEST_F(Reencryption, ACrashAtAnyPointLosesNothingAndIsResumed) {
  for (const std::size_t size : {40UL, 8192UL, 30'001UL}) {
    bool finished = false;
    for (int stop_after = 1; !finished; ++stop_after) {
      for (int seed = 0; seed < 8; ++seed) {
        StartAgain();
        std::mt19937 random(seed);
        const Bytes data = Pattern(size, seed);
        WriteOld(data);
        AddDek();
        Machine machine(stop_after);
        finished = Run(machine);
        disk_.LosePower(random);
        journal_.LosePower(random);
        Redo();
        ASSERT_EQ(ReadAll(), data) << size << " bytes, stopped after " << stop_after;
        Machine again(kForever);
        ASSERT_TRUE(Run(again));
        DropOldestDek();
        ASSERT_EQ(ReadAll(), data);
      }
    }
  }
}

// A change of length that nobody has synced, and a crash in the chunk that follows.
TEST_F(Reencryption, AnUnsyncedLengthIsNeverLeftBetweenOldAndNewKeys) {
  for (const std::size_t size : {267'144UL, 267'143UL}) {
    for (int stop_after = 1; stop_after < 12; ++stop_after) {
      StartAgain();
      std::mt19937 random(stop_after);
      Bytes data = Pattern(274'432, 9);
      WriteOld(data);
      AddDek();
      Machine before(kForever);
      MachineJournal first_journal(before, journal_);
      {
        auto file = Open(before);
        ASSERT_TRUE(file->ReencryptStep(first_journal, 1 << 18).ok());
        data.resize(size);
        ASSERT_TRUE(file->Truncate(size).ok());
      }
      Machine machine(stop_after);
      const bool finished = Run(machine);
      disk_.LosePower(random);
      journal_.LosePower(random);
      Redo();
      Bytes left = ReadAll();
      ASSERT_GE(left.size(), size);
      ASSERT_TRUE(std::equal(data.begin(), data.end(), left.begin())) << stop_after;
      if (finished) break;
    }
  }
}

TEST_F(Reencryption, ADamagedSlotOfAFileThatIsHalfWayIsNoWarning) {
  WriteOld(Pattern(60'000, 10));
  AddDek();
  Machine machine(kForever);
  auto file = Open(machine);
  MachineJournal journal = FirstStep(*file, machine);
  ASSERT_TRUE(file->ReencryptStep(journal, kChunk).ok());
  for (const std::size_t slot : {0UL, 2048UL}) {
    disk_.current.contents()[slot + 490] ^= 1;
    auto opened = EncryptedFile::Open(std::make_unique<BorrowedFile>(disk_.current), keys_);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::kFileCorrupt);
    disk_.current.contents()[slot + 490] ^= 1;
  }
}

TEST_F(Reencryption, AJournalUnderAnUnknownDekIsNotTakenForGarbage) {
  WriteOld(Pattern(9000, 11));
  const VolumeKeys older = volume_.Keys();
  AddDek();
  Machine machine(kForever);
  auto file = Open(machine);
  FirstStep(*file, machine);
  const auto record = DecodeReencryptRecord(journal_.current.contents(), older);
  ASSERT_FALSE(record.ok());
  EXPECT_EQ(record.error().code(), ErrorCode::kKeyringRefused);
}

TEST_F(Reencryption, AnOldRecordIsNotDoneAgain) {
  const Bytes data = Pattern(30'000, 5);
  WriteOld(data);
  AddDek();
  Machine machine(kForever);
  auto file = Open(machine);
  MachineJournal journal = FirstStep(*file, machine);
  const Bytes first = journal_.current.contents();
  ASSERT_TRUE(file->ReencryptStep(journal, kChunk).ok());
  const Bytes later = Pattern(100, 6);
  ASSERT_TRUE(file->WriteAt(50, later).ok());
  journal_.current.contents() = first;
  EXPECT_FALSE(Redo());
  Bytes read(100);
  ASSERT_EQ(*file->ReadAt(50, read), read.size());
  EXPECT_EQ(read, later);
}

TEST_F(Reencryption, AJournalThatWasChangedOrCutShortIsNoRecord) {
  WriteOld(Pattern(9000, 7));
  AddDek();
  Machine machine(kForever);
  auto file = Open(machine);
  FirstStep(*file, machine);
  const Bytes whole = journal_.current.contents();
  ASSERT_TRUE(DecodeReencryptRecord(whole, keys_).ok());
  for (std::size_t at = 0; at < whole.size(); at += 37) {
    Bytes changed = whole;
    changed[at] ^= 1;
    EXPECT_FALSE(DecodeReencryptRecord(changed, keys_).ok()) << at;
    EXPECT_FALSE(DecodeReencryptRecord(ByteView(whole).first(at), keys_).ok()) << at;
  }
}

TEST_F(Reencryption, AFailedChunkServesNobodyUntilItIsDoneAgain) {
  const Bytes data = Pattern(9000, 8);
  WriteOld(data);
  AddDek();
  Machine machine(6);  // stops in the write of the body
  auto file = Open(machine);
  MachineJournal journal(machine, journal_);
  EXPECT_FALSE(file->ReencryptStep(journal, kChunk).ok());
  Bytes read(10);
  EXPECT_EQ(file->ReadAt(0, read).error().code(), ErrorCode::kIo);
  EXPECT_EQ(file->WriteAt(0, read).error().code(), ErrorCode::kIo);
  EXPECT_TRUE(Redo());
  EXPECT_EQ(ReadAll(), data);
}

}  // namespace
}  // namespace freehold
