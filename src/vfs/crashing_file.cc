#include "vfs/crashing_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "format/sizes.h"

namespace freehold {

CrashingFile::CrashingFile(ByteView contents) {
  history_.Write(0, contents);
  history_.Sync();
}

Status CrashingFile::UsePower() {
  if (power_left_ == 0) return Error(ErrorCode::kIo, "the power is off");
  if (power_left_ > 0) --power_left_;
  return {};
}

Result<std::size_t> CrashingFile::ReadAt(std::uint64_t offset, MutableByteView into) {
  std::lock_guard lock(mutex_);
  const ByteView now = history_.now();
  if (offset >= now.size() || into.empty()) return std::size_t{0};
  const std::size_t n = std::min<std::size_t>(into.size(), now.size() - offset);
  std::memcpy(into.data(), now.data() + offset, n);
  return n;
}

Status CrashingFile::WriteAt(std::uint64_t offset, ByteView data) {
  std::lock_guard lock(mutex_);
  TRY(UsePower());
  if (const auto partial = std::exchange(partial_, std::nullopt); partial.has_value()) {
    const std::uint64_t end = offset + std::min(*partial, data.size() - 1);
    const std::uint64_t whole_end = std::max(offset, end - end % kPageSize);
    history_.Write(offset, data.first(whole_end - offset));
    return Error(ErrorCode::kNoSpace, "write: no space left on device");
  }
  history_.Write(offset, data);
  return {};
}

Result<std::uint64_t> CrashingFile::Size() {
  std::lock_guard lock(mutex_);
  return std::uint64_t{history_.now().size()};
}

Status CrashingFile::Truncate(std::uint64_t size) {
  std::lock_guard lock(mutex_);
  TRY(UsePower());
  history_.Resize(size);
  return {};
}

Status CrashingFile::Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) {
  std::lock_guard lock(mutex_);
  TRY(UsePower());
  if (mode == AllocateMode::kPunchHole || mode == AllocateMode::kZeroRange) {
    history_.Zero(offset, offset + length);
  }
  if (mode == AllocateMode::kExtend && offset + length > history_.now().size()) {
    history_.Resize(offset + length);
  }
  return {};
}

Status CrashingFile::Sync(SyncKind) {
  std::lock_guard lock(mutex_);
  TRY(UsePower());
  history_.Sync();
  return {};
}

Result<std::uint64_t> CrashingFile::SeekData(std::uint64_t offset) {
  std::lock_guard lock(mutex_);
  // Pages of zeros are holes, wherever they come from.
  const ByteView now = history_.now();
  for (std::uint64_t at = offset; at < now.size(); at += kPageSize - at % kPageSize) {
    const std::uint64_t page = at - at % kPageSize;
    if (!AllZero(now.subspan(page, std::min(kPageSize, now.size() - page)))) return at;
  }
  return Error(ErrorCode::kNotFound, "no data from here on");
}

Result<std::uint64_t> CrashingFile::SeekHole(std::uint64_t offset) {
  const std::uint64_t size = TRY(Size());
  if (offset >= size) return Error(ErrorCode::kNotFound, "past the end");
  return size;
}

void CrashingFile::CutPowerAfter(int changes) {
  std::lock_guard lock(mutex_);
  power_left_ = changes;
}

void CrashingFile::Crash(const UnsyncedHistory::Choose& choose) {
  std::lock_guard lock(mutex_);
  power_left_ = -1;
  partial_.reset();
  history_.Crash(choose);
}

}  // namespace freehold
