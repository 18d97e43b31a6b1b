// EncryptedFile's re-encryption: docs/format/file.md, "Re-encryption".
#include <algorithm>

#include "base/crash_point.h"
#include "crypto/crypto.h"
#include "format/units.h"
#include "vfs/encrypted_file.h"
#include "vfs/encrypted_header.h"

namespace freehold {

EncryptedFile::KeyUse EncryptedFile::Keys() {
  std::shared_lock lock(io_);
  KeyUse use;
  use.size = size_;
  use.has_header = body_.current != nullptr;
  use.dek_id = header_.dek_id;
  use.other_slot_old = other_slot_old_;
  if (header_.previous.has_value()) {
    use.previous = header_.previous->dek_id;
    use.watermark = header_.previous->watermark;
  }
  return use;
}

void EncryptedFile::ChangeAttributes(const std::function<void()>& change) {
  std::shared_lock lock(io_);
  change();
}

Result<EncryptedFile::Step> EncryptedFile::ReencryptStep(ReencryptJournal& journal,
                                                         std::uint64_t max_bytes) {
  std::unique_lock lock(io_);
  TRY(CheckWhole());
  const Step nothing_left{true, 0, 0};
  if (body_.current == nullptr || header_.cipher == Cipher::kNull) return nothing_left;
  const DekPtr dek = TRY(keys_.Active());
  if (header_.dek_id == dek->id && body_.previous == nullptr) {
    const auto kept = backing_->KeepAttributes();
    if (other_slot_old_) TRY(RenewOtherSlot());
    return nothing_left;
  }
  // What a cut left in the padding of a file that is written once moves along: an attempt that
  // ended in the journal must have had the same plaintext, or its keystream would be used twice.
  TRY(write_once() ? CleanSlack() : CleanTail());
  TRY(FlushPending());
  const auto kept = backing_->KeepAttributes();  // nobody has written what comes from here on
  // The record takes the length and the holes for what they are now. If a crash could bring back
  // others, doing it again would leave bytes of the old key below the watermark. And a header with
  // two keys needs the other slot on the disk too.
  if (may_be_unsynced_) TRY(backing_->Sync(SyncKind::kDataAndMetadata));
  may_be_unsynced_ = false;
  if (body_.previous == nullptr) TRY(BeginReencryption(*dek));

  const std::uint64_t before = body_.watermark;
  const Range chunk = TRY(NextData(before, max_bytes));
  ReencryptRecord record{header_.file_id, header_.dek_id, header_.salt, before, chunk.start, {}};
  record.ciphertext = TRY(ReencryptedChunk(chunk.start, chunk.end));
  TRY(journal.Record(TRY(EncodeReencryptRecord(record, keys_))));
  CrashPoint("reencrypt.recorded");
  half_written_ = true;  // until the header tells
  if (!record.ciphertext.empty()) {
    TRY(backing_->WriteAt(BodyOffset(chunk.start), record.ciphertext));
    CrashPoint("reencrypt.written");
    if (!IsMutant("reencrypted-body-not-synced")) TRY(backing_->Sync(SyncKind::kData));
    CrashPoint("reencrypt.synced");
  }
  if (chunk.end >= BlockCeil(size_)) {
    TRY(FinishReencryption());
  } else {
    FileHeader next = header_;
    next.previous->watermark = chunk.end;
    TRY(WriteHeader(next));
    CrashPoint("reencrypt.advanced");
  }
  half_written_ = false;
  return Step{false, chunk.end - std::min(before, chunk.end), chunk.end - chunk.start};
}

// The first data at or behind `from`, up to its end, the next hole or `max_bytes`: what is a hole
// below is one under any key, and stays one. Empty, at the file's end, when there is none.
Result<EncryptedFile::Range> EncryptedFile::NextData(std::uint64_t from, std::uint64_t max_bytes) {
  const std::uint64_t file_end = BlockCeil(size_);
  const Range none{std::max(from, file_end), std::max(from, file_end)};
  if (from >= file_end) return none;
  const auto data = backing_->SeekData(BodyOffset(from));
  if (!data.ok() && data.error().code() != ErrorCode::kNotFound) return data.error();
  if (!data.ok() || *data - kHeaderSize >= file_end) return none;
  const std::uint64_t start = UnitFloor(*data - kHeaderSize);
  const std::uint64_t hole = TRY(backing_->SeekHole(*data)) - kHeaderSize;
  const std::uint64_t chunk = std::max<std::uint64_t>(UnitFloor(max_bytes), kUnitSize);
  const std::uint64_t data_end = UnitFloor(hole + kUnitSize - 1);
  return Range{start, std::min({start + chunk, data_end, file_end})};
}

Result<Bytes> EncryptedFile::ReencryptedChunk(std::uint64_t start, std::uint64_t end) {
  Bytes ciphertext(end - start);
  const std::size_t got = TRY(backing_->ReadAt(BodyOffset(start), ciphertext));
  std::fill(ciphertext.begin() + static_cast<std::ptrdiff_t>(got), ciphertext.end(), 0);
  WipedBuffer plaintext;
  plaintext.GrowTo(ciphertext.size());
  MutableByteView run = plaintext.First(ciphertext.size());
  std::copy(ciphertext.begin(), ciphertext.end(), run.begin());
  TRY(DecodeRun(*body_.previous, UnitOf(start), run));
  TRY(body_.current->Encrypt(UnitOf(start), run, run));
  // Zeros below are zeros above: a block that nobody has written stays unwritten.
  for (std::size_t at = 0; at < ciphertext.size(); at += kBlockSize) {
    if (AllZero(ByteView(ciphertext).subspan(at, kBlockSize))) continue;
    std::copy_n(run.begin() + static_cast<std::ptrdiff_t>(at), kBlockSize,
                ciphertext.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return ciphertext;
}

Status EncryptedFile::BeginReencryption(const Dek& dek) {
  FileHeader next = header_;
  next.previous = PreviousKey{header_.dek_id, header_.salt, 0, header_.epochs};
  if (write_once()) next.epochs = FirstEpoch();
  next.dek_id = dek.id;
  RandomFill(next.salt);
  TRY(WriteHeader(next));
  once_.fresh_from = kNothingFresh;  // what waits from now on may need two entries
  CrashPoint("reencrypt.begun");
  return {};
}

// Both slots, so that neither needs the old DEK any more.
Status EncryptedFile::FinishReencryption() {
  FileHeader next = header_;
  next.previous.reset();
  TRY(WriteHeader(next));
  CrashPoint("reencrypt.finished");
  half_written_ = false;
  return RenewOtherSlot();
}

Status EncryptedFile::RenewOtherSlot() {
  const int other = 1 - newest_slot_;
  if (!IsMutant("other-slot-not-renewed")) {
    TRY(backing_->WriteAt(kSlotOffset[other], TRY(SlotBytes(header_, other, keys_))));
  }
  TRY(backing_->Sync(SyncKind::kData));
  other_slot_old_ = false;
  return {};
}

// Into the slot that does not count; counts from the sync on.
Status EncryptedFile::WriteHeader(const FileHeader& header) {
  FileHeader next = header;
  next.generation += 1;
  const int index = 1 - newest_slot_;
  BodyCipher body = TRY(NewBodyCipher(next, keys_));
  TRY(backing_->WriteAt(kSlotOffset[index], TRY(SlotBytes(next, index, keys_))));
  TRY(backing_->Sync(SyncKind::kData));
  header_ = next;
  newest_slot_ = index;
  other_slot_old_ = true;
  body_ = std::move(body);
  return {};
}

}  // namespace freehold
