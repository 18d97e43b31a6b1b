// PosixFile: a File over a descriptor of the kernel's.
// Spec: vfs/file.h. Errors: from errno. Threads: safe.
#pragma once

#include <atomic>
#include <memory>

#include "base/posix_file.h"
#include "vfs/file.h"

namespace freehold {

class PosixFile : public File {
 public:
  explicit PosixFile(UniqueFd fd) : fd_(std::move(fd)) {}

  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override;
  Status WriteAt(std::uint64_t offset, ByteView data) override;
  Result<std::uint64_t> Size() override;
  Status Truncate(std::uint64_t size) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Status Sync(SyncKind kind) override;
  std::shared_ptr<void> KeepAttributes() override;
  Result<std::uint64_t> SeekData(std::uint64_t offset) override;
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override;
  Result<std::uint64_t> Inode() const;

 private:
  Result<std::uint64_t> Seek(std::uint64_t offset, int whence);

  UniqueFd fd_;
  std::atomic<bool> sync_failed_{false};
};

// Files as they are: the mount without encryption.
class PlainLayer : public FileLayer {
 public:
  Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing) override { return backing; }
  std::uint64_t VisibleSize(std::uint64_t backing_size) const override { return backing_size; }
};

}  // namespace freehold
