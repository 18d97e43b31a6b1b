#include "vfs/crash_model.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "vfs/encrypted_file.h"
#include "vfs/encrypted_header.h"
#include "vfs/memory_file.h"
#include "vfs/unsynced_header.h"

namespace freehold {
namespace {

constexpr std::uint64_t kMostBytes = 3 * 4096;
constexpr int kOperationsPerFile = 60;
constexpr std::uint64_t kMostChanges = 8;  // and syncs of the disk that an operation makes

std::string Describe(const Error& error) { return "an operation failed: " + error.message(); }

}  // namespace

Status RecoverAfterCrash(File& disk, const VolumeKeys& keys, ByteView journal) {
  const auto record = DecodeReencryptRecord(journal, keys);
  if (record.ok()) TRY(RedoReencryption(disk, *record, keys));
  if (TRY(HasUnsyncedHeader(disk))) TRY(AdoptUnsyncedFile(disk, keys));
  return {};
}

Result<std::unique_ptr<File>> OpenAfterCrash(CrashingFile& disk, const VolumeKeys& keys,
                                             ByteView journal) {
  TRY(RecoverAfterCrash(disk, keys, journal));
  return EncryptedFile::Open(std::make_unique<BorrowedFile>(disk), keys);
}

Result<Bytes> ReadWhole(File& file) {
  Bytes bytes(TRY(file.Size()));
  if (TRY(file.ReadAt(0, bytes)) != bytes.size()) return Error(ErrorCode::kIo, "a short read");
  return bytes;
}

std::optional<std::string> CrashModel::Run(std::uint64_t operations) {
  Verdict wrong;
  for (std::uint64_t i = 0; i < operations && !wrong; ++i) {
    if (i % kOperationsPerFile == 0) wrong = StartFile();
    if (!wrong) wrong = Step();
    if (!wrong) wrong = watch_.reuse();
  }
  if (wrong) *wrong += "\nafter:" + trace_;
  return wrong;
}

CrashModel::Verdict CrashModel::StartFile() {
  trace_.clear();
  file_.reset();
  disk_ = std::make_unique<CrashingFile>();
  volume_ = std::make_unique<TestVolume>(cipher_);
  blocks_written_ += watch_.blocks();
  watch_ = KeystreamWatch();
  keys_ = volume_->Keys();
  deks_ = 1;
  journal_.clear();
  promised_ = UnsyncedHistory(kBlockSize);
  constexpr std::uint64_t kEdges[] = {16, 512, 1024, 4080, 4096, 4608, 8192};
  focus_ = kEdges[Below(std::size(kEdges))];
  return Reopen();
}

std::uint64_t CrashModel::Position() {
  if (OneIn(4)) return Below(kMostBytes);
  const std::uint64_t around = OneIn(3) ? promised_.now().size() : focus_;
  const std::uint64_t position = around + Below(80);
  return std::min(position < 40 ? 0 : position - 40, kMostBytes);
}

std::size_t CrashModel::Length() {
  if (OneIn(10)) return 1 + Below(5000);
  return 1 + Below(OneIn(3) ? 700 : 40);
}

CrashModel::Verdict CrashModel::Step() {
  // Now and then the power goes in the middle of what follows, or the disk is full.
  if (OneIn(40)) disk_->CutPowerAfter(static_cast<int>(Below(kMostChanges)));
  if (disk_->has_power() && OneIn(60)) disk_->FailNextWrite(Below(6000));
  Verdict wrong;
  switch (Below(18)) {
    case 0:
    case 1:
    case 2:
    case 3:
      wrong = Write(Position(), Length());
      break;
    case 4:
    case 5:
    case 6:
      wrong = Write(promised_.now().size(), Length());
      break;
    case 7:
    case 8:
    case 9:
      wrong = Truncate(OneIn(12) ? 0 : Position());
      break;
    case 10:
      wrong = Allocate();
      break;
    case 11:
    case 12:
      wrong = Synchronise();
      break;
    case 13:
      wrong = OneIn(3) ? Reopen() : Read();
      break;
    case 14:
    case 15:
      wrong = Reencrypt();
      break;
    default:
      wrong = Crash();
  }
  if (!wrong && !disk_->has_power()) wrong = Crash();
  return wrong;
}

CrashModel::Verdict CrashModel::Write(std::uint64_t offset, std::size_t size) {
  if (offset >= kMostBytes) return Truncate(focus_);
  trace_ += fmt::format(" write({},{})", offset, size);
  Bytes data(size);
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random_() | 0x0101010101010101;  // no byte is zero
    std::memcpy(data.data() + at, &word, std::min<std::size_t>(8, size - at));
  }
  return Change(
      [&] {
        if (offset > promised_.now().size()) promised_.Resize(offset);
        promised_.Write(offset, data);
      },
      [&] { return file_->WriteAt(offset, data); });
}

CrashModel::Verdict CrashModel::Truncate(std::uint64_t size) {
  trace_ += fmt::format(" truncate({})", size);
  return Change([&] { promised_.Resize(size); }, [&] { return file_->Truncate(size); });
}

CrashModel::Verdict CrashModel::Allocate() {
  const auto mode = static_cast<AllocateMode>(Below(4));
  const std::uint64_t offset = Position();
  const std::uint64_t end = offset + Length();
  trace_ += fmt::format(" allocate({},{},{})", static_cast<int>(mode), offset, end - offset);
  return Change(
      [&] {
        if (mode == AllocateMode::kExtend && end > promised_.now().size()) promised_.Resize(end);
        if (mode == AllocateMode::kPunchHole || mode == AllocateMode::kZeroRange) {
          promised_.Zero(offset, end);
        }
      },
      [&] { return file_->Allocate(mode, offset, end - offset); });
}

CrashModel::Verdict CrashModel::Change(const std::function<void()>& promise,
                                       const std::function<Status()>& change) {
  before_ = ToBytes(promised_.now());
  promise();
  return Judge(change());
}

void CrashModel::See(std::uint64_t offset, ByteView ciphertext) {
  if (cipher_ != Cipher::kAes256Ctr) return;
  watch_.See(offset, ciphertext, promised_.now());
  watch_.See(offset, ciphertext, before_);  // what the tail still was when it went down
}

CrashModel::Verdict CrashModel::Judge(const Status& done) {
  if (done.ok() || !disk_->has_power()) return std::nullopt;
  if (done.error().code() == ErrorCode::kWriteOnce && cipher_ == Cipher::kAes256Ctr) {
    ++refusals_;
    trace_ += "!refused";
    promised_.Replace(before_);
    return Read();
  }
  if (done.error().code() != ErrorCode::kNoSpace) return Describe(done.error());
  // Old or new bytes in the range, never others, and both may come back after a crash.
  trace_ += "!full";
  auto left = ReadWhole(*file_);
  if (!left.ok()) return Describe(left.error());
  if (auto wrong = promised_.Forbids(*left)) return "after a full disk: " + *wrong;
  promised_.Replace(*left);
  return std::nullopt;
}

CrashModel::Verdict CrashModel::Synchronise() {
  trace_ += " sync";
  const auto done = file_->Sync(OneIn(2) ? SyncKind::kData : SyncKind::kDataAndMetadata);
  if (done.ok()) promised_.Sync();
  return Judge(done);
}

// The next chunk under the newest DEK; when all is, there is a newer one, or an older one less.
CrashModel::Verdict CrashModel::Reencrypt() {
  auto& file = static_cast<EncryptedFile&>(*file_);
  auto covered = file.ReencryptStep(*this, 4096 * (1 + Below(2)));
  trace_ += fmt::format(" reencrypt({})", covered.ok() ? std::to_string(covered->covered) : "!");
  if (!covered.ok()) {
    if (!disk_->has_power() || covered.error().code() == ErrorCode::kNoSpace) return Crash();
    return Describe(covered.error());
  }
  if (!covered->done) return std::nullopt;
  const auto use = file.Keys();
  if (use.has_header && (use.previous.has_value() || use.other_slot_old)) {
    return "a file that is done still needs an older DEK";
  }
  if (use.has_header && deks_ > 1) {
    volume_->DropOldestDek();
    --deks_;
  } else {
    volume_->AddDek();
    ++deks_;
  }
  if (auto replaced = keys_.Replace(volume_->Keys()); !replaced.ok()) {
    return Describe(replaced.error());
  }
  if (!use.has_header) return std::nullopt;
  const auto header = OpenHeader(disk_->contents(), keys_);
  if (!header.ok()) return Describe(header.error());
  if (!header->slots_agree) return "a header slot needs a DEK that is gone";
  return std::nullopt;
}

// A file of its own, replaced as a whole: without power it is the old one, the new one or none.
Status CrashModel::Record(ByteView encoded) {
  const ReencryptRecord record = TRY(DecodeReencryptRecord(encoded, keys_));
  See(record.offset, record.ciphertext);
  auto powered = disk_->UsePower();
  if (powered.ok() || OneIn(3)) {
    journal_ = ToBytes(encoded);
  } else if (OneIn(2)) {
    journal_.clear();
  }
  return powered;
}

CrashModel::Verdict CrashModel::Read() {
  auto found = ReadWhole(*file_);
  if (!found.ok()) return Describe(found.error());
  const auto [wrong, right] = std::ranges::mismatch(*found, promised_.now());
  if (wrong == found->end() && found->size() == promised_.now().size()) return std::nullopt;
  return fmt::format("a read without a crash is wrong: {} bytes, from {} on", found->size(),
                     wrong - found->begin());
}

// Another object over the same unsynced bytes, as after a close.
CrashModel::Verdict CrashModel::Reopen() {
  trace_ += " reopen";
  // A mount flushes before it closes, and what failed once is tried again by the closing.
  if (file_ != nullptr) (void)file_->Flush();
  file_.reset();
  if (!disk_->has_power()) return Crash();
  auto opened = Open();
  if (!opened.ok()) return Describe(opened.error());
  file_ = std::move(*opened);
  return Read();
}

Result<std::unique_ptr<File>> CrashModel::Open() {
  return EncryptedFile::Open(std::make_unique<WatchedFile>(*disk_, *this), keys_);
}

CrashModel::Verdict CrashModel::Crash() {
  ++crashes_;
  trace_ += " CRASH";
  file_.reset();
  // Some crashes lose everything, some little, most anything.
  const std::uint64_t kind = Below(8);
  disk_->Crash([&](std::size_t count) -> std::size_t {
    if (kind == 0) return 0;
    if (kind == 1 && !OneIn(4)) return count - 1;
    return Below(count);
  });
  if (auto wrong = OpenOrCrashAgain()) return wrong;
  auto found = ReadWhole(*file_);
  if (!found.ok()) return Describe(found.error());
  trace_ += fmt::format("[{}]", found->size());
  if (auto wrong = promised_.Forbids(*found)) return wrong;
  // What a crash left is what the disk has: nothing of it can get lost any more.
  promised_.Replace(*found);
  promised_.Sync();
  return std::nullopt;
}

CrashModel::Verdict CrashModel::OpenOrCrashAgain() {
  if (OneIn(4)) disk_->CutPowerAfter(static_cast<int>(Below(4)));
  auto recovered = RecoverAfterCrash(*disk_, keys_, journal_);
  if (!disk_->has_power()) {
    trace_ += " CRASH";
    disk_->Crash([&](std::size_t count) { return Below(count); });
    recovered = RecoverAfterCrash(*disk_, keys_, journal_);
  }
  // What is left of the cut may come later, and is as good there.
  if (!recovered.ok()) return Describe(recovered.error());
  auto opened = Open();
  if (!opened.ok()) return Describe(opened.error());
  if (OneIn(2)) journal_.clear();  // its removal is not synced: it may come back
  file_ = std::move(*opened);
  return std::nullopt;
}

}  // namespace freehold
