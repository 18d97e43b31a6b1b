#include "vfs/memory_file.h"

#include <algorithm>
#include <cstring>

namespace freehold {

Result<std::size_t> MemoryFile::ReadAt(std::uint64_t offset, MutableByteView into) {
  std::lock_guard lock(mutex_);
  if (offset >= contents_.size() || into.empty()) return std::size_t{0};
  const std::size_t n = std::min<std::size_t>(into.size(), contents_.size() - offset);
  std::memcpy(into.data(), contents_.data() + offset, n);
  return n;
}

Status MemoryFile::WriteAt(std::uint64_t offset, ByteView data) {
  std::lock_guard lock(mutex_);
  if (offset + data.size() > contents_.size()) contents_.resize(offset + data.size());
  std::copy(data.begin(), data.end(), contents_.begin() + static_cast<std::ptrdiff_t>(offset));
  return {};
}

Result<std::uint64_t> MemoryFile::Size() {
  std::lock_guard lock(mutex_);
  return std::uint64_t{contents_.size()};
}

Status MemoryFile::Truncate(std::uint64_t size) {
  std::lock_guard lock(mutex_);
  contents_.resize(size);
  return {};
}

Status MemoryFile::Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) {
  std::lock_guard lock(mutex_);
  if (mode == AllocateMode::kExtend && offset + length > contents_.size()) {
    contents_.resize(offset + length);
  }
  if (mode == AllocateMode::kPunchHole || mode == AllocateMode::kZeroRange) {
    const std::uint64_t end = std::min<std::uint64_t>(offset + length, contents_.size());
    for (std::uint64_t i = offset; i < end; ++i) contents_[i] = 0;
  }
  return {};
}

Status MemoryFile::Sync(SyncKind) {
  ++syncs_;
  return {};
}

Result<std::uint64_t> MemoryFile::SeekData(std::uint64_t offset) {
  if (offset >= contents_.size()) return Error(ErrorCode::kNotFound, "past the end");
  return offset;
}

Result<std::uint64_t> MemoryFile::SeekHole(std::uint64_t offset) {
  if (offset >= contents_.size()) return Error(ErrorCode::kNotFound, "past the end");
  return std::uint64_t{contents_.size()};
}

Status BorrowedFile::WriteAt(std::uint64_t offset, ByteView data) {
  if (fail_after_.has_value() && (*fail_after_)-- == 0) {
    fail_after_.reset();
    const ByteView part = data.first(std::min(partial_, data.size()));
    TRY(owner_.WriteAt(offset, part));
    return Error(ErrorCode::kNoSpace, "write: no space left on device");
  }
  return owner_.WriteAt(offset, data);
}

}  // namespace freehold
