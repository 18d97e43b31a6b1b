#include "vfs/encrypted_file.h"

#include <algorithm>
#include <cstring>

#include "base/crash_point.h"
#include "format/units.h"
#include "vfs/encrypted_header.h"
#include "vfs/scratch.h"

namespace freehold {
namespace {

Error CutHeader(std::uint64_t size) {
  return Error(ErrorCode::kFileCorrupt,
               "the header is cut short: " + std::to_string(size) + " of 4096 bytes");
}

}  // namespace

Result<std::unique_ptr<File>> EncryptedFile::Open(std::unique_ptr<File> backing,
                                                  const VolumeKeys& keys) {
  std::unique_ptr<EncryptedFile> file(new EncryptedFile(std::move(backing), keys));
  const std::uint64_t backing_size = TRY(file->backing_->Size());
  if (backing_size == 0) return std::unique_ptr<File>(std::move(file));
  if (backing_size < kHeaderSize) return CutHeader(backing_size);
  Bytes bytes(kHeaderSize);
  if (TRY(file->backing_->ReadAt(0, bytes)) != kHeaderSize) return CutHeader(backing_size);
  auto opened = OpenHeader(bytes, keys);
  if (!opened.ok()) {
    if (opened.error().code() != ErrorCode::kNotFound) return opened.error();
    // Zeros are accepted only by the recovery after an unclean stop, never here.
    return Error(ErrorCode::kFileCorrupt, opened.error().message());
  }
  file->body_ = TRY(NewBodyCipher(opened->header, keys));
  file->header_ = opened->header;
  file->newest_slot_ = opened->newest_slot;
  file->other_slot_old_ = !opened->slots_agree;
  file->size_ = LogicalSizeOf({backing_size}).bytes;
  file->once_.end = file->size_;
  return std::unique_ptr<File>(std::move(file));
}

Result<std::size_t> EncryptedFile::ReadAt(std::uint64_t offset, MutableByteView into) {
  MutableByteView scratch;
  BodyCipher body;  // this and the next as they are while the bytes are read
  WriteOnce once;
  std::size_t wanted = 0;
  const std::uint64_t start = UnitFloor(offset);
  bool in_place = false;
  {
    std::shared_lock lock(io_);
    TRY(CheckWhole());
    if (offset >= size_ || into.empty()) return std::size_t{0};
    body = body_;
    once = once_;
    wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
    const std::uint64_t end = BlockCeil(offset + wanted);
    in_place = start == offset && end - start <= into.size();
    scratch = in_place ? into.first(end - start) : Scratch(end - start);
    const std::size_t got = TRY(backing_->ReadAt(BodyOffset(start), scratch));
    std::fill(scratch.begin() + static_cast<std::ptrdiff_t>(got), scratch.end(), 0);
  }
  TRY(body.Decode(start, scratch));
  once.Cover(start, scratch);
  if (!in_place) std::memcpy(into.data(), scratch.data() + (offset - start), wanted);
  return wanted;
}

Status EncryptedFile::WriteAt(std::uint64_t offset, ByteView data) {
  if (data.empty()) return {};
  std::unique_lock lock(io_);
  may_be_unsynced_ = true;
  TRY(WriteHeaderIfNone());
  if (write_once()) return WriteOnceAt(offset, data);
  TRY(CleanTail());
  if (offset > size_) TRY(Grow(offset));
  return WriteRange(offset, data);
}

Status EncryptedFile::WriteRange(std::uint64_t offset, ByteView data) {
  const std::uint64_t old_size = size_;
  const std::uint64_t new_size = std::max<std::uint64_t>(size_, offset + data.size());
  std::uint8_t old_tail[kBlockSize];
  const bool grows_over_tail = new_size > old_size && old_size % kBlockSize != 0;
  if (grows_over_tail) TRY(ReadBlock(BlockFloor(old_size), old_tail));
  if (auto written = EncryptAndWrite(offset, data, new_size); !written.ok()) {
    // Out of space half way: back to the old last block and the old length.
    tail_known_clean_ = false;
    if (grows_over_tail) (void)WriteTailBlock(old_size, old_tail);
    (void)backing_->Truncate(BackingSizeOf({old_size}).bytes);
    return written;
  }
  const std::uint64_t backing_size = BackingSizeOf({new_size}).bytes;
  // 15 bytes take 31 and 16 take 16: filling the last block can shorten the file below.
  if (new_size != old_size && backing_size < BackingSizeOf({old_size}).bytes) {
    TRY(backing_->Truncate(backing_size));
  }
  size_ = new_size;
  return {};
}

// One write below for one write above: from the first block touched to the last, with its slack.
Status EncryptedFile::EncryptAndWrite(std::uint64_t offset, ByteView data, std::uint64_t new_size) {
  const std::uint64_t last_end = BlockCeil(offset + data.size());
  const std::size_t slack = last_end >= new_size ? new_size % kBlockSize : 0;
  const ByteView run = TRY(Encrypt(offset, data, slack));
  // A long write makes a file longer page by page. If only the slack lay on the next page, a crash
  // could show the padding as contents; so the length comes first, in one step.
  const bool slack_on_next_page = slack != 0 && last_end % kPageSize == 0;
  if (slack_on_next_page && new_size > size_) {
    TRY(backing_->Truncate(BackingSizeOf({new_size}).bytes));
  }
  return backing_->WriteAt(BodyOffset(BlockFloor(offset)), run);
}

// The blocks that a write touches, encrypted, with what they keep, and zeros for slack behind them.
Result<MutableByteView> EncryptedFile::Encrypt(std::uint64_t offset, ByteView data,
                                               std::size_t slack) {
  const std::uint64_t end = offset + data.size();
  const std::uint64_t first_block = BlockFloor(offset);
  const std::uint64_t last_end = BlockCeil(end);
  const std::uint64_t unit_start = UnitFloor(offset);
  MutableByteView run = Scratch(last_end - unit_start + slack);
  const MutableByteView blocks = run.first(last_end - unit_start);
  if (blocks.size() == data.size()) {  // and so there is no slack
    TRY(body_.Encrypt(unit_start, data, blocks));
    return blocks;
  }
  const auto at = [&](std::uint64_t logical) { return run.subspan(logical - unit_start); };
  std::memset(run.data(), 0, first_block - unit_start);  // only to reach the right tweak
  if (offset != first_block) TRY(ReadBlock(first_block, at(first_block).first(kBlockSize)));
  if (end != last_end) {
    std::uint8_t block[kBlockSize];
    TRY(ReadBlock(last_end - kBlockSize, block));
    const std::size_t kept = end % kBlockSize;
    std::memcpy(at(end).data(), block + kept, kBlockSize - kept);
  }
  std::memcpy(at(offset).data(), data.data(), data.size());
  TRY(body_.Encrypt(unit_start, blocks, blocks));
  std::memset(run.data() + blocks.size(), 0, slack);
  return at(first_block);
}

Status EncryptedFile::ReadBlock(std::uint64_t block_offset, MutableByteView block) {
  std::memset(block.data(), 0, kBlockSize);
  if (block_offset >= size_) return {};
  TRY(DecryptRange(block_offset, block));
  // What lies behind the end is padding: whatever it says, it counts as zeros.
  if (size_ - block_offset < kBlockSize) {
    const std::size_t kept = size_ - block_offset;
    std::memset(block.data() + kept, 0, kBlockSize - kept);
  }
  return {};
}

// Within one unit. Decrypts from the unit's start, because the tweak is counted from there.
Status EncryptedFile::DecryptRange(std::uint64_t block_offset, MutableByteView into) {
  std::uint8_t unit[kUnitSize] = {};
  const std::size_t before = block_offset - UnitFloor(block_offset);
  MutableByteView run = MutableByteView(unit).first(before + into.size());
  TRY(backing_->ReadAt(BodyOffset(block_offset), run.subspan(before)));
  TRY(body_.Decode(UnitFloor(block_offset), run));
  std::memcpy(into.data(), run.data() + before, into.size());
  return {};
}

Status EncryptedFile::WriteHeaderIfNone() {
  TRY(CheckWhole());
  while (body_.current == nullptr) {
    NewHeader made = TRY(MakeHeader(keys_));
    BodyCipher body = TRY(NewBodyCipher(made.header, keys_));
    if (auto written = backing_->WriteAt(0, made.bytes); !written.ok()) {
      (void)backing_->Truncate(0);
      return written;
    }
    // A DEK that came meanwhile counts: once it is there, no file begins under an older one.
    if (TRY(keys_.Active())->id != made.header.dek_id) continue;
    header_ = made.header;
    body_ = std::move(body);
    once_.fresh_from = 0;
  }
  return {};
}

// A chunk of a re-encryption that could not be finished: the next opening does it from the journal.
// Or a write that failed and could not be taken back.
Status EncryptedFile::CheckWhole() const {
  if (!half_written_) return {};
  return Error(ErrorCode::kIo, "a write to this file failed half way; mount it again");
}

Result<std::uint64_t> EncryptedFile::Size() {
  std::shared_lock lock(io_);
  return size_;
}

Status EncryptedFile::Truncate(std::uint64_t size) {
  std::unique_lock lock(io_);
  may_be_unsynced_ = true;
  TRY(CheckWhole());
  if (size == size_) return {};
  if (size < size_) return write_once() ? ShrinkOnce(size) : Shrink(size);
  TRY(WriteHeaderIfNone());
  TRY(CleanTail());
  return Grow(size);
}

// New blocks are holes below, and holes decode to zeros: only the length changes.
Status EncryptedFile::Grow(std::uint64_t size) {
  TRY(backing_->Truncate(BackingSizeOf({size}).bytes));
  size_ = size;
  return {};
}

Status EncryptedFile::Shrink(std::uint64_t size) {
  TRY(CleanTail());
  if (size % kBlockSize != 0) {
    std::uint8_t block[kBlockSize];
    TRY(ReadBlock(BlockFloor(size), block));
    const std::size_t kept = size % kBlockSize;
    std::memset(block + kept, 0, kBlockSize - kept);
    TRY(WriteTailBlock(size, block));
  }
  TRY(backing_->Truncate(BackingSizeOf({size}).bytes));
  size_ = size;
  return {};
}

// The last block of a file of `size` bytes, and zeros over the block behind it, as far as there is
// one. So a cut to `size` that follows goes through zeros: one through a block of ciphertext would
// leave half a block, and a crash can keep it together with the old length.
Status EncryptedFile::WriteTailBlock(std::uint64_t size, ByteView block) {
  const std::uint64_t block_offset = BlockFloor(size);
  const std::uint64_t slack_offset = BodyOffset(block_offset + kBlockSize);
  const std::uint64_t backing_size = TRY(backing_->Size());
  const std::uint64_t behind = backing_size > slack_offset ? backing_size - slack_offset : 0;
  const std::size_t zeros = std::clamp<std::uint64_t>(behind, size % kBlockSize, kBlockSize);
  std::uint8_t bytes[2 * kBlockSize] = {};
  std::memcpy(bytes, block.data(), kBlockSize);
  TRY(EncryptBlock(block_offset, MutableByteView(bytes).first(kBlockSize)));
  return backing_->WriteAt(BodyOffset(block_offset), ByteView(bytes).first(kBlockSize + zeros));
}

// From the unit's start, because the tweak is counted from there.
Status EncryptedFile::EncryptBlock(std::uint64_t block_offset, MutableByteView block) {
  const std::size_t before = block_offset - UnitFloor(block_offset);
  std::uint8_t unit[kUnitSize] = {};
  std::memcpy(unit + before, block.data(), kBlockSize);
  const MutableByteView run = MutableByteView(unit).first(before + kBlockSize);
  TRY(body_.Encrypt(UnitFloor(block_offset), run, run));
  std::memcpy(block.data(), unit + before, kBlockSize);
  return {};
}

// Before the first change to a file. A crash that kept a shorter length and lost what goes with it
// leaves old bytes in the padding and the slack. They become zeros on the disk before anything else
// happens, or a later crash could bring them back under a longer length.
Status EncryptedFile::CleanTail() {
  const std::size_t partial = size_ % kBlockSize;
  if (tail_known_clean_ || IsMutant("slack-not-zeroed")) return {};
  if (partial != 0) {
    const std::uint64_t block_offset = BlockFloor(size_);
    // One by one, and each synced at once: what looks clean must be so on the disk too.
    TRY(CleanSlack());
    if (!TRY(PaddingIsClean())) {
      std::uint8_t block[kBlockSize];
      TRY(DecryptRange(block_offset, block));
      std::memset(block + partial, 0, kBlockSize - partial);
      TRY(RewriteTail(block_offset, block));
      TRY(backing_->Sync(SyncKind::kData));
    }
  } else if (size_ == 0 && TRY(backing_->Size()) > kHeaderSize) {
    // A body that was cut to less than a block reads as empty, and now becomes so.
    TRY(backing_->Truncate(kHeaderSize));
    TRY(backing_->Sync(SyncKind::kData));
  }
  tail_known_clean_ = true;
  return {};
}

Result<bool> EncryptedFile::PaddingIsClean() {
  const std::size_t partial = size_ % kBlockSize;
  if (partial == 0) return true;
  std::uint8_t block[kBlockSize];
  TRY(DecryptRange(BlockFloor(size_), block));
  return AllZero(ByteView(block).subspan(partial));
}

Status EncryptedFile::CleanSlack() {
  const std::size_t partial = size_ % kBlockSize;
  if (partial == 0) return {};
  Bytes slack(partial);
  TRY(backing_->ReadAt(BodyOffset(BlockCeil(size_)), slack));
  if (AllZero(slack)) return {};
  TRY(backing_->WriteAt(BodyOffset(BlockCeil(size_)), Bytes(partial)));
  return backing_->Sync(SyncKind::kData);
}

Status EncryptedFile::RewriteTail(std::uint64_t block_offset, MutableByteView block) {
  if (write_once()) {
    TRY(StartEpoch(For::kNewBytes));
    return FlushPending();
  }
  TRY(EncryptBlock(block_offset, block));
  return backing_->WriteAt(BodyOffset(block_offset), block);
}

Status EncryptedFile::Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) {
  std::unique_lock lock(io_);
  may_be_unsynced_ = true;
  TRY(CheckWhole());
  const std::uint64_t end = offset + length;
  TRY(CleanTail());
  if (mode == AllocateMode::kPunchHole || mode == AllocateMode::kZeroRange) {
    return ZeroRange(mode, offset, std::min(end, size_));
  }
  TRY(WriteHeaderIfNone());
  TRY(backing_->Allocate(AllocateMode::kKeepSize, BodyOffset(offset), length + kBlockSize));
  if (mode == AllocateMode::kExtend && end > size_) return Grow(end);
  return {};
}

Status EncryptedFile::ZeroRange(AllocateMode mode, std::uint64_t offset, std::uint64_t end) {
  if (offset >= end) return {};
  // Whole blocks become zeros below; the last block counts as whole when the file ends in it.
  const std::uint64_t inner_start = BlockCeil(offset);
  const std::uint64_t inner_end = end == size_ ? BlockCeil(end) : BlockFloor(end);
  if (inner_start >= inner_end) return ZeroPart(offset, end);
  TRY(ZeroPart(offset, inner_start));
  TRY(ZeroPart(inner_end, end));
  TRY(FlushPending());
  return backing_->Allocate(mode, BodyOffset(inner_start), inner_end - inner_start);
}

// Of one block, or of two side by side.
Status EncryptedFile::ZeroPart(std::uint64_t offset, std::uint64_t end) {
  if (offset >= end) return {};
  if (write_once()) return CheckZeros(offset, end);
  return WriteRange(offset, Bytes(end - offset));
}

// Not under io_: a flush may take long, and what it covers is what was written before it.
Status EncryptedFile::Sync(SyncKind kind) {
  TRY(Flush());
  if (IsMutant("header-slot-not-synced")) return SyncAllButHeader(kind);
  return backing_->Sync(kind);
}

// Only as a mutant: what a sync would be that left the header in memory.
Status EncryptedFile::SyncAllButHeader(SyncKind kind) {
  std::unique_lock lock(io_);
  Bytes header(kHeaderSize);
  header.resize(TRY(backing_->ReadAt(0, header)));
  if (!header.empty()) TRY(backing_->WriteAt(0, Bytes(header.size())));
  TRY(backing_->Sync(kind));
  return header.empty() ? Status() : backing_->WriteAt(0, header);
}

Result<std::uint64_t> EncryptedFile::SeekData(std::uint64_t offset) {
  TRY(Flush());
  std::shared_lock lock(io_);
  if (offset >= size_) return Error(ErrorCode::kNotFound, "past the end");
  const std::uint64_t found = TRY(backing_->SeekData(BodyOffset(offset))) - kHeaderSize;
  if (found >= size_) return Error(ErrorCode::kNotFound, "only a hole follows");
  return found;
}

Result<std::uint64_t> EncryptedFile::SeekHole(std::uint64_t offset) {
  TRY(Flush());
  std::shared_lock lock(io_);
  if (offset >= size_) return Error(ErrorCode::kNotFound, "past the end");
  const std::uint64_t found = TRY(backing_->SeekHole(BodyOffset(offset))) - kHeaderSize;
  return std::min(found, size_);
}

}  // namespace freehold
