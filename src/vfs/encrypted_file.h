// EncryptedFile: plaintext above, docs/format/file.md below.
//
// A File over a backing File. The header is written with the first data, in the same file and so
// under the same Sync. Rules kept here: a partial 16-byte block is merged under the file's lock;
// slack and padding are zero, and what a crash left there is cleaned, durably, before the first
// change; no half block of ciphertext is ever made, not even for a moment; a read never sees half
// of a concurrent write's block. vfs/crash_model.h judges all of this.
// Errors: kFileCorrupt at Open for a bad header; kSealed once the keys are gone; else the backing
// file's. Threads: safe. Spec: vfs/file.h, docs/format/file.md.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "crypto/unit_cipher.h"
#include "format/sizes.h"
#include "keyring/volume_keys.h"
#include "vfs/file.h"

namespace freehold {

class EncryptedFile : public File {
 public:
  // `keys` outlives the file.
  static Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing, const VolumeKeys& keys);

  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override;
  Status WriteAt(std::uint64_t offset, ByteView data) override;
  Result<std::uint64_t> Size() override;
  Status Truncate(std::uint64_t size) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Status Sync(SyncKind kind) override;
  Result<std::uint64_t> SeekData(std::uint64_t offset) override;
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override;

 private:
  EncryptedFile(std::unique_ptr<File> backing, const VolumeKeys& keys)
      : backing_(std::move(backing)), keys_(keys) {}

  // Callers of all of these hold io_ exclusively.
  Status WriteHeaderIfNone();
  Status WriteRange(std::uint64_t offset, ByteView data);
  Status EncryptAndWrite(std::uint64_t offset, ByteView data, std::uint64_t new_size);
  Status Grow(std::uint64_t size);
  Status Shrink(std::uint64_t size);
  Status CleanTail();
  Status WriteTailBlock(std::uint64_t size, ByteView block);
  Status SyncAllButHeader(SyncKind kind);
  Status ZeroRange(AllocateMode mode, std::uint64_t offset, std::uint64_t end);
  // The plaintext of the block at `block_offset`, zeros where the file ends.
  Status ReadBlock(std::uint64_t block_offset, MutableByteView block);
  Status DecryptRange(std::uint64_t block_offset, MutableByteView into);

  const std::unique_ptr<File> backing_;
  const VolumeKeys& keys_;
  // Held shared by reads of the backing file, exclusively by everything that changes it.
  std::shared_mutex io_;
  std::mutex decrypting_;               // the cipher's decrypting context serves one read at a time
  std::unique_ptr<UnitCipher> cipher_;  // null until there is a header
  std::uint64_t size_ = 0;              // plaintext bytes
  bool tail_known_clean_ = false;       // padding and slack after a partial last block are zeros
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

 private:
  const VolumeKeys& keys_;
};

}  // namespace freehold
