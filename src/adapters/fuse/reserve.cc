#include "adapters/fuse/reserve.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/crash_point.h"
#include "base/log.h"
#include "fmt/format.h"

namespace freehold::fuse {
namespace {

constexpr std::uint64_t kMost = 256 << 20;
constexpr std::uint64_t kPage = 4096;
// A write may need a header before it, a block behind it for its slack, and one of the file
// system's own.
constexpr std::uint64_t kBeside = 3 * kPage;

}  // namespace

Reserve::Reserve(const std::string& directory, std::uint64_t bytes) {
  if (bytes == 0) return;
  file_ = UniqueFd(open(directory.c_str(), O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!file_.valid()) {
    LogWarning("mount", "this file system cannot hold a reserve: a full disk may show at a sync");
    return;
  }
  size_ = bytes;
  if (Resize(size_)) return;
  if (errno != ENOSPC) {
    LogWarning("mount", "this file system cannot reserve space: a full disk may show at a sync");
    size_ = 0;
    return;
  }
  LogWarning("mount", fmt::format("the disk is full: it has no {} bytes for the reserve", size_));
  Resize(0);
  low_ = true;
}

std::uint64_t Reserve::DefaultSize(const std::string& directory) {
  struct statvfs st = {};
  if (statvfs(directory.c_str(), &st) != 0) return 0;
  return std::min<std::uint64_t>(kMost, st.f_blocks * st.f_frsize / 20);
}

bool Reserve::Release(std::uint64_t bytes, Purpose purpose) {
  if (size_ == 0 || IsMutant("reserve-not-released")) return false;
  const std::uint64_t needed = (bytes + kPage - 1) / kPage * kPage + kBeside;
  std::lock_guard lock(mutex_);
  // No space may also mean no inode, which no block makes good.
  if (FreeBytes() > needed + kMost) return false;
  const bool for_logs = purpose == Purpose::kLogs;
  if (!low_.exchange(true)) LogWarning("mount", "the disk is full: files may not grow any more");
  const std::uint64_t left = for_logs ? std::min(held_, size_ / 2 - given_to_logs_) : held_;
  const std::uint64_t given = std::min(left, needed);
  if (given == 0 || !Resize(held_ - given)) return false;
  if (for_logs) given_to_logs_ += given;
  return true;
}

bool Reserve::Refill() {
  std::lock_guard lock(mutex_);
  if (!low_) return true;
  // With something to spare, or the next write would find the disk full again.
  if (FreeBytes() < size_ - held_ + size_ / 8 || !Resize(size_)) return false;
  given_to_logs_ = 0;
  low_ = false;
  LogInfo("mount", "the disk has space again");
  return true;
}

std::uint64_t Reserve::FreeBytes() const {
  struct statvfs st = {};
  return fstatvfs(file_.get(), &st) != 0 ? 0 : st.f_bfree * st.f_frsize;
}

// On failure as much is held as before.
bool Reserve::Resize(std::uint64_t bytes) {
  if (bytes < held_ || bytes == 0) {
    if (ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) return false;
  } else if (fallocate(file_.get(), 0, 0, static_cast<off_t>(bytes)) != 0) {
    const int failure = errno;
    [[maybe_unused]] const int done = ftruncate(file_.get(), static_cast<off_t>(held_));
    errno = failure;
    return false;
  }
  held_ = bytes;
  return true;
}

}  // namespace freehold::fuse
