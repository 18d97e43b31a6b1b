// EncryptedFile's changes where each byte is written once: docs/format/file.md, "AES-256-CTR".
//
// The body up to once_.end was written at some time; behind it are zeros. Of a last block that is
// not full yet, the plaintext waits here: its keystream may be used once only.
#include <algorithm>
#include <cstring>

#include "base/locked_arena.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "fmt/format.h"
#include "format/units.h"
#include "vfs/encrypted_file.h"
#include "vfs/encrypted_header.h"
#include "vfs/scratch.h"

namespace freehold {
namespace {

Error WrittenAlready(std::uint64_t start, std::uint64_t end) {
  return Error(ErrorCode::kWriteOnce,
               fmt::format("files of this volume are written once (aes-256-ctr), and the bytes "
                           "from {} to {} are there already",
                           start, end));
}

}  // namespace

EncryptedFile::~EncryptedFile() {
  std::unique_lock lock(io_);
  if (auto written = FlushPending(); !written.ok()) {
    LogError("volume", "the last bytes of a file are lost: " + written.error().message());
  }
  WipeMemory(once_.block.data(), once_.block.size());
}

Status EncryptedFile::Flush() {
  if (!write_once()) return {};
  std::unique_lock lock(io_);
  return FlushPending();
}

Status EncryptedFile::WriteOnceAt(std::uint64_t offset, ByteView data) {
  if (offset < once_.end) {
    // The same bytes once more are no change: a cache may write what it has written before.
    const auto there = std::min<std::uint64_t>(data.size(), once_.end - offset);
    if (!TRY(Holds(offset, data.first(there)))) return WrittenAlready(offset, offset + there);
    data = data.subspan(there);
    offset += there;
    if (data.empty()) return {};
  }
  TRY(CleanTail());
  TRY(MakeRoomAt(offset));
  return Append(offset, data);
}

// So that `offset` can be written: nothing is pending in another block, the keystream is fresh, and
// the file reaches that far.
Status EncryptedFile::MakeRoomAt(std::uint64_t offset) {
  const std::uint64_t end = once_.end;
  if (offset >= BlockCeil(end)) {
    TRY(FlushPending());
    once_.end = BlockCeil(end);  // a gap: what it leaves of the last block are zeros
  }
  auto ready = FreshKeystream(For::kNewBytes);
  if (ready.ok() && offset > size_) ready = Grow(offset);
  if (!ready.ok()) once_.end = end;
  return ready;
}

Status EncryptedFile::FreshKeystream(For what) {
  return BlockFloor(once_.end) < once_.fresh_from ? StartEpoch(what) : Status();
}

// `offset` is at or behind once_.end, and in the pending block if there is one.
Status EncryptedFile::Append(std::uint64_t offset, ByteView data) {
  const std::uint64_t old_size = size_;
  const std::uint64_t end = offset + data.size();
  const std::uint64_t new_size = std::max(old_size, end);
  const std::uint64_t first = BlockFloor(offset);
  const std::uint64_t full_end = BlockFloor(end);
  const std::uint64_t unit = UnitFloor(first);
  const std::size_t tail = end % kBlockSize;
  // The block that is not full yet is zeros below, so that the length says how long the file is.
  const std::size_t zeros = new_size > old_size && tail != 0 ? kBlockSize + tail : 0;

  if (once_.disk_was_full) {
    TRY(backing_->Allocate(AllocateMode::kKeepSize, BodyOffset(first),
                           full_end - first + kBlockSize + zeros));
  }
  MutableByteView run = Scratch(full_end - unit + kBlockSize + zeros);
  const auto at = [&](std::uint64_t logical) { return run.subspan(logical - unit); };
  std::memset(run.data(), 0, run.size());
  if (once_.pending) std::copy_n(once_.block.begin(), kBlockSize, at(first).begin());
  std::copy(data.begin(), data.end(), at(offset).begin());
  CounterBlock last{};
  std::copy_n(at(full_end).begin(), kBlockSize, last.begin());
  TRY(body_.Encrypt(unit, run.first(full_end - unit), run.first(full_end - unit)));
  std::memset(at(full_end).data(), 0, kBlockSize + zeros);

  const bool is_hole = tail != 0 && zeros == 0 && (full_end != first || once_.end <= first);
  if (is_hole) {  // its space is taken now, not when it is flushed
    TRY(backing_->Allocate(AllocateMode::kKeepSize, BodyOffset(full_end), kBlockSize));
  }
  const bool slack_on_next_page = (full_end + kBlockSize) % kPageSize == 0;
  if (zeros != 0 && (full_end == first || slack_on_next_page)) {
    TRY(backing_->Truncate(BackingSizeOf({new_size}).bytes));
  }
  // Zeros over a block that nothing is in yet take its space now, not when it is flushed.
  const std::size_t size = full_end - first + zeros;
  if (size != 0 && (full_end != first || once_.end <= first)) {
    CounterBlock before{};
    if (once_.pending) TRY(backing_->ReadAt(BodyOffset(first), before));
    once_.fresh_from = kNothingFresh;  // if this fails, some of its keystream may be on the disk
    if (auto written = backing_->WriteAt(BodyOffset(first), at(first).first(size)); !written.ok()) {
      once_.disk_was_full = true;
      TRY(TakeBack(first, before, full_end));
      return written;
    }
  }
  if (new_size > old_size && BackingSizeOf({new_size}).bytes < BackingSizeOf({old_size}).bytes) {
    tail_known_clean_ = false;  // until the length says that the last block is full
    TRY(backing_->Truncate(BackingSizeOf({new_size}).bytes));
    tail_known_clean_ = true;
  }
  once_.fresh_from = full_end;
  once_.pending = tail != 0;
  once_.pending_at = full_end;
  once_.block = last;
  once_.end = end;
  size_ = new_size;
  return {};
}

// After a write that failed half way: the first block as it was, and zeros behind it.
Status EncryptedFile::TakeBack(std::uint64_t first, const CounterBlock& before,
                               std::uint64_t full_end) {
  tail_known_clean_ = false;
  half_written_ = true;  // until all of this has worked
  if (!AllZero(before)) TRY(backing_->WriteAt(BodyOffset(first), before));
  const std::uint64_t zeros_from = AllZero(before) ? first : first + kBlockSize;
  auto punched = backing_->Allocate(AllocateMode::kPunchHole, BodyOffset(zeros_from),
                                    full_end + 2 * kBlockSize - zeros_from);
  TRY(backing_->Truncate(BackingSizeOf({size_}).bytes));
  if (zeros_from < BlockCeil(size_)) TRY(std::move(punched));
  half_written_ = false;
  return {};
}

Result<bool> EncryptedFile::Holds(std::uint64_t offset, ByteView data) {
  constexpr std::size_t kAtOnce = 64 << 10;
  for (std::size_t at = 0; at < data.size(); at += kAtOnce) {
    const ByteView part = data.subspan(at, std::min(kAtOnce, data.size() - at));
    const std::uint64_t unit = UnitFloor(offset + at);
    MutableByteView run = Scratch(BlockCeil(offset + at + part.size()) - unit);
    const std::size_t got = TRY(backing_->ReadAt(BodyOffset(unit), run));
    std::fill(run.begin() + static_cast<std::ptrdiff_t>(got), run.end(), 0);
    TRY(body_.Decode(unit, run));
    once_.Cover(unit, run);
    if (!std::ranges::equal(run.subspan(offset + at - unit, part.size()), part)) return false;
  }
  return true;
}

// What waits, padded with zeros. Whatever follows in this block needs another epoch.
Status EncryptedFile::FlushPending() {
  if (!once_.pending) return {};
  TRY(CheckWhole());
  TRY(FreshKeystream(For::kPendingBytes));
  CounterBlock block = once_.block;
  TRY(EncryptBlock(once_.pending_at, block));
  may_be_unsynced_ = true;
  once_.fresh_from = kNothingFresh;
  TRY(backing_->WriteAt(BodyOffset(once_.pending_at), block));
  once_.pending = false;
  once_.fresh_from = once_.pending_at + kBlockSize;
  return {};
}

// From the block of once_.end on a fresh keystream holds, durably, before the first byte is
// encrypted with it. What is there of that block waits to be encrypted again.
Status EncryptedFile::StartEpoch(For what) {
  const std::uint64_t start = BlockFloor(once_.end);
  // What the table says must fit the body whatever a crash brings back.
  TRY(backing_->Sync(SyncKind::kDataAndMetadata));
  if (!once_.pending && once_.end != start) {
    TRY(ReadBlock(start, once_.block));
    std::fill(once_.block.begin() + static_cast<std::ptrdiff_t>(once_.end - start),
              once_.block.end(), 0);
  }
  CounterBlock on_disk{};
  TRY(backing_->ReadAt(BodyOffset(start), on_disk));
  FileHeader next = header_;
  if (next.previous.has_value() && start < next.previous->watermark) {
    next.previous.reset();  // the file ends before the watermark: nothing is under that key
  }
  if (next.previous.has_value()) {
    EpochTable& previous = next.previous->epochs;
    previous = WithEpochAt(previous, start, on_disk);
    // A chunk that was encrypted before, and got no further than the journal, had other contents.
    next.epochs = WithEpochAt(next.epochs, start, CounterBlock{});
  } else {
    next.epochs = WithEpochAt(next.epochs, start, on_disk);
  }
  // New bytes leave room for those that wait when a write fails, which must not be refused, and for
  // the begin of a re-encryption.
  const std::size_t more = what == For::kNewBytes ? 2 : next.previous.has_value() ? 0 : 1;
  if (!EpochsFit(next, more)) {
    return Error(ErrorCode::kWriteOnce,
                 "files of this volume are written once (aes-256-ctr), and this one was added to "
                 "in too many steps");
  }
  TRY(WriteHeader(next));
  // Both slots, before the first byte: if one is damaged later, the other knows the epoch too.
  TRY(RenewOtherSlot());
  once_.fresh_from = start;
  once_.pending = once_.end != start;
  once_.pending_at = start;
  return {};
}

// A part of a block that is to become zeros: it must be zeros.
Status EncryptedFile::CheckZeros(std::uint64_t offset, std::uint64_t end) {
  end = std::min(end, once_.end);
  if (offset >= end || TRY(Holds(offset, Bytes(end - offset)))) return {};
  return WrittenAlready(offset, end);
}

// The new last block keeps its ciphertext: padding with zeros would use its keystream again. What
// comes later cleans it, under another epoch.
Status EncryptedFile::ShrinkOnce(std::uint64_t size) {
  if (!tail_known_clean_) TRY(CleanSlack());
  const bool dirty = !tail_known_clean_ && !TRY(PaddingIsClean());
  const std::size_t partial = size % kBlockSize;
  if (partial != 0) {
    const std::uint64_t slack = BodyOffset(BlockCeil(size));
    const std::uint64_t backing_size = TRY(backing_->Size());
    const std::uint64_t behind = backing_size > slack ? backing_size - slack : 0;
    TRY(backing_->WriteAt(slack, Bytes(std::clamp<std::uint64_t>(behind, partial, kBlockSize))));
  }
  TRY(backing_->Truncate(BackingSizeOf({size}).bytes));
  // Or a crash could bring the padding back, under a longer length that comes later.
  if (dirty) TRY(backing_->Sync(SyncKind::kDataAndMetadata));
  size_ = size;
  if (size >= once_.end) return {};
  once_.end = size;
  if (partial != 0) tail_known_clean_ = false;
  if (once_.pending && size > once_.pending_at) {
    std::fill(once_.block.begin() + static_cast<std::ptrdiff_t>(partial), once_.block.end(), 0);
    return {};
  }
  once_.pending = false;
  once_.fresh_from = kNothingFresh;
  return {};
}

void EncryptedFile::WriteOnce::Cover(std::uint64_t start, MutableByteView run) const {
  if (!pending || pending_at < start || pending_at - start >= run.size()) return;
  std::copy_n(block.begin(), kBlockSize,
              run.begin() + static_cast<std::ptrdiff_t>(pending_at - start));
}

}  // namespace freehold
