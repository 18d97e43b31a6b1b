#include "vfs/posix_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace freehold {
namespace {

int FallocateFlags(AllocateMode mode) {
  switch (mode) {
    case AllocateMode::kExtend:
      return 0;
    case AllocateMode::kKeepSize:
      return FALLOC_FL_KEEP_SIZE;
    case AllocateMode::kPunchHole:
      return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    case AllocateMode::kZeroRange:
      return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  }
  return 0;
}

// The kernel drops a program's capabilities at each write, whoever writes.
class Kept {
 public:
  explicit Kept(int fd) : fd_(fd) {
    struct stat st = {};
    if (fstat(fd, &st) == 0) times_[1] = st.st_mtim;
    size_ = fgetxattr(fd, kCapabilities, capabilities_.data(), capabilities_.size());
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() {
    if (size_ > 0) {
      fsetxattr(fd_, kCapabilities, capabilities_.data(), static_cast<std::size_t>(size_), 0);
    }
    futimens(fd_, times_.data());
  }

 private:
  static constexpr const char* kCapabilities = "security.capability";

  const int fd_;
  std::array<timespec, 2> times_{{{0, UTIME_OMIT}, {0, UTIME_OMIT}}};
  std::array<char, 64> capabilities_{};  // linux/capability.h: 24 bytes at most
  ssize_t size_ = 0;
};

}  // namespace

Result<std::size_t> PosixFile::ReadAt(std::uint64_t offset, MutableByteView into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n =
        pread(fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Status PosixFile::WriteAt(std::uint64_t offset, ByteView data) {
  while (!data.empty()) {
    const ssize_t n = pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "write");
    data = data.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<std::uint64_t> PosixFile::Size() {
  struct stat st = {};
  if (fstat(fd_.get(), &st) != 0) return ErrnoError(errno, "stat");
  return static_cast<std::uint64_t>(st.st_size);
}

Result<std::uint64_t> PosixFile::Inode() const {
  struct stat st = {};
  if (fstat(fd_.get(), &st) != 0) return ErrnoError(errno, "stat");
  return static_cast<std::uint64_t>(st.st_ino);
}

Status PosixFile::Truncate(std::uint64_t size) {
  if (ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return ErrnoError(errno, "truncate");
  return {};
}

Status PosixFile::Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) {
  if (fallocate(fd_.get(), FallocateFlags(mode), static_cast<off_t>(offset),
                static_cast<off_t>(length)) != 0) {
    return ErrnoError(errno, "fallocate");
  }
  return {};
}

Status PosixFile::Sync(SyncKind kind) {
  if (sync_failed_) return Error(ErrorCode::kIo, "an earlier sync of this file failed");
  const int result = kind == SyncKind::kData ? fdatasync(fd_.get()) : fsync(fd_.get());
  if (result != 0) {
    sync_failed_ = true;
    return ErrnoError(errno, "sync");
  }
  return {};
}

std::shared_ptr<void> PosixFile::KeepAttributes() { return std::make_shared<Kept>(fd_.get()); }

Result<std::uint64_t> PosixFile::Seek(std::uint64_t offset, int whence) {
  const off_t found = lseek(fd_.get(), static_cast<off_t>(offset), whence);
  if (found < 0 && errno == ENXIO) return Error(ErrorCode::kNotFound, "nothing after this offset");
  if (found < 0) return ErrnoError(errno, "seek");
  return static_cast<std::uint64_t>(found);
}

Result<std::uint64_t> PosixFile::SeekData(std::uint64_t offset) { return Seek(offset, SEEK_DATA); }
Result<std::uint64_t> PosixFile::SeekHole(std::uint64_t offset) { return Seek(offset, SEEK_HOLE); }

}  // namespace freehold
