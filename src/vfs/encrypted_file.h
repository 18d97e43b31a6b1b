// EncryptedFile: plaintext above, docs/format/file.md below.
//
// A File over a backing File. The header is written with the first data, in the same file and so
// under the same Sync. Rules kept here: a partial 16-byte block is merged under the file's lock;
// slack and padding are zero, and what a crash left there is cleaned, durably, before the first
// change; no half block of ciphertext is ever made, not even for a moment; a read never sees half
// of a concurrent write's block. Under aes-256-ctr each byte is written once, and the last block
// waits in memory until it is full, synced or flushed. vfs/crash_model.h judges all of this.
// Errors: kFileCorrupt at Open for a bad header; kWriteOnce for what aes-256-ctr cannot do; kSealed
// once the keys are gone; else the backing file's. Threads: safe. Spec: vfs/file.h,
// docs/format/file.md.
#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>

#include "format/file_header.h"
#include "format/sizes.h"
#include "keyring/volume_keys.h"
#include "vfs/body_cipher.h"
#include "vfs/file.h"
#include "vfs/reencrypt_journal.h"

namespace freehold {

class EncryptedFile : public File {
 public:
  // `keys` outlives the file.
  static Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing, const VolumeKeys& keys);
  ~EncryptedFile() override;

  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override;
  Status WriteAt(std::uint64_t offset, ByteView data) override;
  Result<std::uint64_t> Size() override;
  Status Truncate(std::uint64_t size) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Status Sync(SyncKind kind) override;
  Status Flush() override;
  void ChangeAttributes(const std::function<void()>& change) override;
  Result<std::uint64_t> SeekData(std::uint64_t offset) override;
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override;

  // Under which DEKs its bytes are: everything below `watermark` is under `dek_id`, the rest under
  // `previous` where that is set. No header: no bytes.
  struct KeyUse {
    bool has_header = false;
    Id dek_id{};
    std::optional<Id> previous;
    std::uint64_t watermark = 0;
    bool other_slot_old = false;  // a crash left it: it may name another DEK
    std::uint64_t size = 0;
  };
  KeyUse Keys();

  // Brings the next chunk, at most `max_bytes`, under the volume's newest DEK; writers wait for it.
  // On an error nothing has changed, or the file serves nobody until the journal has been done
  // again at the next opening.
  struct Step {
    bool done = false;          // the whole file is under that DEK
    std::uint64_t covered = 0;  // bytes, holes included
    std::uint64_t written = 0;  // bytes, without the holes
  };
  Result<Step> ReencryptStep(ReencryptJournal& journal, std::uint64_t max_bytes);

 private:
  EncryptedFile(std::unique_ptr<File> backing, const VolumeKeys& keys)
      : backing_(std::move(backing)), keys_(keys) {}

  struct Range {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
  };

  static constexpr std::uint64_t kNothingFresh = ~std::uint64_t{0};
  // Where an aes-256-ctr file has been written.
  struct WriteOnce {
    std::uint64_t end = 0;  // what lies behind it are zeros
    // The blocks from here on have not been encrypted in the newest epoch.
    std::uint64_t fresh_from = kNothingFresh;
    bool disk_was_full = false;  // a write failed, and took an epoch with it: the next asks first
    bool pending = false;        // the last block is not full, and not below yet
    std::uint64_t pending_at = 0;
    CounterBlock block{};  // its plaintext, zeros behind `end`

    // Puts the pending block over what was read and decrypted from `start`, a block's offset.
    void Cover(std::uint64_t start, MutableByteView run) const;
  };
  bool write_once() const { return keys_.cipher() == Cipher::kAes256Ctr; }

  Status CheckWhole() const;
  // Callers of all of these hold io_ exclusively.
  Status WriteHeaderIfNone();
  Status WriteRange(std::uint64_t offset, ByteView data);
  Status EncryptAndWrite(std::uint64_t offset, ByteView data, std::uint64_t new_size);
  Result<MutableByteView> Encrypt(std::uint64_t offset, ByteView data, std::size_t slack);
  Status Grow(std::uint64_t size);
  Status Shrink(std::uint64_t size);
  Status CleanTail();
  Status CleanSlack();
  Result<bool> PaddingIsClean();
  Status WriteTailBlock(std::uint64_t size, ByteView block);
  Status EncryptBlock(std::uint64_t block_offset, MutableByteView block);
  Status SyncAllButHeader(SyncKind kind);
  Status RewriteTail(std::uint64_t block_offset, MutableByteView block);
  Status ZeroRange(AllocateMode mode, std::uint64_t offset, std::uint64_t end);
  Status ZeroPart(std::uint64_t offset, std::uint64_t end);
  // Only of aes-256-ctr files: encrypted_file_write_once.cc.
  Status WriteOnceAt(std::uint64_t offset, ByteView data);
  Status MakeRoomAt(std::uint64_t offset);
  enum class For { kNewBytes, kPendingBytes };
  Status FreshKeystream(For what);
  Status Append(std::uint64_t offset, ByteView data);
  Status TakeBack(std::uint64_t first, const CounterBlock& before, std::uint64_t full_end);
  Result<bool> Holds(std::uint64_t offset, ByteView data);
  Status CheckZeros(std::uint64_t offset, std::uint64_t end);
  Status FlushPending();
  Status StartEpoch(For what);
  Status ShrinkOnce(std::uint64_t size);
  // The plaintext of the block at `block_offset`, zeros where the file ends.
  Status ReadBlock(std::uint64_t block_offset, MutableByteView block);
  Status DecryptRange(std::uint64_t block_offset, MutableByteView into);
  Result<Range> NextData(std::uint64_t from, std::uint64_t max_bytes);
  Status BeginReencryption(const Dek& dek);
  Status FinishReencryption();
  Status RenewOtherSlot();
  Status WriteHeader(const FileHeader& header);
  Result<Bytes> ReencryptedChunk(std::uint64_t start, std::uint64_t end);

  const std::unique_ptr<File> backing_;
  const VolumeKeys& keys_;
  // Held shared by reads of the backing file, exclusively by everything that changes it.
  std::shared_mutex io_;
  FileHeader header_;              // of body_
  int newest_slot_ = 1;            // where header_ stands; both, when it is new
  bool other_slot_old_ = false;    // the other one may need a key that this one does not
  BodyCipher body_;                // no current cipher until there is a header
  std::uint64_t size_ = 0;         // plaintext bytes
  bool tail_known_clean_ = false;  // padding and slack after a partial last block are zeros
  bool may_be_unsynced_ = true;    // there were changes since the last chunk
  bool half_written_ = false;      // a range is neither old nor new, until the next opening
  WriteOnce once_;
};

// The FileLayer of an open volume. `keys` outlives it.
class EncryptedLayer : public FileLayer {
 public:
  explicit EncryptedLayer(const VolumeKeys& keys) : keys_(keys) {}
  Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing) override {
    return EncryptedFile::Open(std::move(backing), keys_);
  }
  std::uint64_t VisibleSize(std::uint64_t backing_size) const override {
    return LogicalSizeOf({backing_size}).bytes;
  }
  bool write_once() const override { return keys_.cipher() == Cipher::kAes256Ctr; }

 private:
  const VolumeKeys& keys_;
};

}  // namespace freehold
