#include "vfs/dropping_file.h"

#include <algorithm>

#include "vfs/posix_file.h"

namespace freehold {

class DroppingFile : public File {
 public:
  DroppingFile(std::shared_ptr<File> backing, std::uint64_t inode, DroppingLayer& layer)
      : backing_(std::move(backing)), inode_(inode), layer_(layer) {}

  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override {
    return backing_->ReadAt(offset, into);
  }
  Status WriteAt(std::uint64_t offset, ByteView data) override {
    std::lock_guard lock(layer_.mutex_);
    TRY(Remember(offset, data.size()));
    return backing_->WriteAt(offset, data);
  }
  Result<std::uint64_t> Size() override { return backing_->Size(); }
  Status Truncate(std::uint64_t size) override {
    std::lock_guard lock(layer_.mutex_);
    const std::uint64_t now = TRY(backing_->Size());
    TRY(Remember(size, now > size ? now - size : 0));
    return backing_->Truncate(size);
  }
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override {
    std::lock_guard lock(layer_.mutex_);
    TRY(Remember(offset, length));
    return backing_->Allocate(mode, offset, length);
  }
  Status Sync(SyncKind kind) override {
    TRY(backing_->Sync(kind));
    std::lock_guard lock(layer_.mutex_);
    layer_.changes_.remove_if([this](const auto& change) { return change.inode == inode_; });
    return {};
  }
  Result<std::uint64_t> SeekData(std::uint64_t offset) override {
    return backing_->SeekData(offset);
  }
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override {
    return backing_->SeekHole(offset);
  }

 private:
  Status Remember(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t size = TRY(backing_->Size());
    const std::uint64_t kept = offset < size ? std::min(length, size - offset) : 0;
    Bytes old(kept);
    TRY(backing_->ReadAt(offset, old));
    layer_.changes_.push_back({inode_, backing_, size, offset, std::move(old)});
    return {};
  }

  const std::shared_ptr<File> backing_;
  const std::uint64_t inode_;
  DroppingLayer& layer_;
};

Result<std::unique_ptr<File>> DroppingLayer::Open(std::unique_ptr<File> backing) {
  const auto* posix = dynamic_cast<const PosixFile*>(backing.get());
  if (posix == nullptr) return Error(ErrorCode::kInternal, "a dropping layer needs real files");
  const std::uint64_t inode = TRY(posix->Inode());
  return std::unique_ptr<File>(std::make_unique<DroppingFile>(std::move(backing), inode, *this));
}

void DroppingLayer::KeepAll() {
  std::lock_guard lock(mutex_);
  changes_.clear();
}

std::size_t DroppingLayer::DropUnsynced() {
  std::lock_guard lock(mutex_);
  const std::size_t count = changes_.size();
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    (void)change->backing->Truncate(change->old_size);
    (void)change->backing->WriteAt(change->offset, change->old_bytes);
  }
  changes_.clear();
  return count;
}

}  // namespace freehold
