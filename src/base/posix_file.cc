#include "base/posix_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/crash_point.h"
#include "fmt/format.h"

namespace freehold {
namespace {

std::string DirectoryOf(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::Reset() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

Result<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return ErrnoError(errno, path);
  return UniqueFd(fd);
}

bool PathExists(const std::string& path) {
  struct stat st = {};
  return lstat(path.c_str(), &st) == 0;
}

namespace {

Result<Bytes> ReadWhole(int fd, const std::string& path, std::size_t limit) {
  auto bytes = ReadUntilEnd(fd, limit);
  if (!bytes.ok()) return bytes.error().Because(path);
  return bytes;
}

}  // namespace

Result<Bytes> ReadFile(const std::string& path, std::size_t limit) {
  UniqueFd fd = TRY(OpenFile(path, O_RDONLY));
  return ReadWhole(fd.get(), path, limit);
}

Result<Bytes> ReadRegularFile(const std::string& path, std::size_t limit) {
  UniqueFd fd = TRY(OpenFile(path, O_RDONLY | O_NONBLOCK));  // of a pipe: without its other end
  struct stat st = {};
  if (fstat(fd.get(), &st) != 0) return ErrnoError(errno, path);
  if (!S_ISREG(st.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, path + " is not a regular file");
  }
  return ReadWhole(fd.get(), path, limit);
}

Status ReplaceFile(const std::string& path, ByteView contents, mode_t mode) {
  const std::string temporary = path + ".new";
  {
    UniqueFd fd =
        TRY(OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, mode));
    CrashPoint("replace.created");
    if (auto written = WriteAll(fd.get(), contents); !written.ok()) {
      unlink(temporary.c_str());
      return written.error().Because(temporary);
    }
    CrashPoint("replace.written");
    if (fsync(fd.get()) != 0) {
      const int failure = errno;
      unlink(temporary.c_str());
      return ErrnoError(failure, "fsync " + temporary);
    }
  }
  CrashPoint("replace.synced");
  auto renamed = RenameFile(temporary, path);
  if (!renamed.ok()) unlink(temporary.c_str());
  return renamed;
}

Status RenameFile(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return ErrnoError(errno, "rename to " + to);
  CrashPoint("replace.renamed");
  return SyncDirectory(DirectoryOf(to));
}

Result<UniqueFd> LockBeside(const std::string& path) {
  UniqueFd lock = TRY(OpenFile(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (flock(lock.get(), LOCK_EX) != 0) return ErrnoError(errno, path);
  return lock;
}

Status SyncDirectory(const std::string& path) {
  UniqueFd fd = TRY(OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (fsync(fd.get()) != 0) return ErrnoError(errno, "fsync " + path);
  return {};
}

Status MakeDirectories(const std::string& path, mode_t mode) {
  for (std::size_t end = 1; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string prefix = path.substr(0, end);
    if (mkdir(prefix.c_str(), mode) != 0 && errno != EEXIST) return ErrnoError(errno, prefix);
  }
  return {};
}

Status WriteAll(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Status ReadExactly(int fd, MutableByteView into) {
  while (!into.empty()) {
    const ssize_t n = read(fd, into.data(), into.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read");
    if (n == 0) return Error(ErrorCode::kIo, "read: the other end closed early");
    into = into.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<Bytes> ReadUntilEnd(int fd, std::size_t limit) {
  Bytes bytes;
  std::uint8_t buffer[65536];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read");
    if (n == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(n) > limit) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("larger than {} bytes", limit));
    }
    bytes.insert(bytes.end(), buffer, buffer + n);
  }
}

}  // namespace freehold
