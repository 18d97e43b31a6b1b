// Descriptors and small files: RAII around open(2), whole-file reads, atomic replacement.
//
// For keyrings, state and configuration; encrypted data goes through vfs/. Errors come from errno
// with the path in the sentence. Threads: values.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace freehold {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_ = -1;
};

Result<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0600);
bool PathExists(const std::string& path);

// At most `limit` bytes; a larger file is kInvalidArgument.
Result<Bytes> ReadFile(const std::string& path, std::size_t limit = 16 << 20);
// The same of a file that is ours: a pipe or a device in its place is kInvalidArgument, at once.
Result<Bytes> ReadRegularFile(const std::string& path, std::size_t limit = 16 << 20);

// All or nothing, durable when it returns: write PATH.new, fsync, rename, fsync the directory.
Status ReplaceFile(const std::string& path, ByteView contents, mode_t mode);
// Durable when it returns; both in one directory.
Status RenameFile(const std::string& from, const std::string& to);

// Waits until nobody else holds PATH.lock, which is made; held until the descriptor is closed.
Result<UniqueFd> LockBeside(const std::string& path);

// fsync of a directory, so that names made or removed in it are durable.
Status SyncDirectory(const std::string& path);

// mkdir -p; existing directories are fine.
Status MakeDirectories(const std::string& path, mode_t mode);

// Write or read exactly this many bytes, whatever the kernel splits them into. A short read is kIo.
Status WriteAll(int fd, ByteView bytes);
Status ReadExactly(int fd, MutableByteView into);
// Until end of file, at most `limit` bytes.
Result<Bytes> ReadUntilEnd(int fd, std::size_t limit);

}  // namespace freehold
