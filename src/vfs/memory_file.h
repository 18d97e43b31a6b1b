// MemoryFile: a File in memory, and FaultyFile: one whose operations fail when told to.
// Doubles for tests, shipped beside the interface. Spec: vfs/file.h.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "vfs/file.h"

namespace freehold {

class MemoryFile : public File {
 public:
  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override;
  Status WriteAt(std::uint64_t offset, ByteView data) override;
  Result<std::uint64_t> Size() override;
  Status Truncate(std::uint64_t size) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Status Sync(SyncKind kind) override;
  Result<std::uint64_t> SeekData(std::uint64_t offset) override;
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override;

  Bytes& contents() { return contents_; }
  int syncs() const { return syncs_; }

 private:
  std::mutex mutex_;
  Bytes contents_;
  int syncs_ = 0;
};

// A window onto another File that stays the owner, so that a test can look below an object.
class BorrowedFile : public File {
 public:
  explicit BorrowedFile(File& owner) : owner_(owner) {}
  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override {
    return owner_.ReadAt(offset, into);
  }
  Status WriteAt(std::uint64_t offset, ByteView data) override;
  Result<std::uint64_t> Size() override { return owner_.Size(); }
  Status Truncate(std::uint64_t size) override { return owner_.Truncate(size); }
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override {
    return owner_.Allocate(mode, offset, length);
  }
  Status Sync(SyncKind kind) override { return owner_.Sync(kind); }
  Result<std::uint64_t> SeekData(std::uint64_t offset) override { return owner_.SeekData(offset); }
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override { return owner_.SeekHole(offset); }

  // The write number `after` from now fails with kNoSpace, having written `partial` bytes.
  void FailWrite(int after, std::size_t partial) {
    fail_after_ = after;
    partial_ = partial;
  }

 private:
  File& owner_;
  std::optional<int> fail_after_;
  std::size_t partial_ = 0;
};

}  // namespace freehold
