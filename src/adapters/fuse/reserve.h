// Reserve: disk space that a mount holds, so that what it has accepted can be written when the disk
// is full.
//
// The space is a file without a name on the backing file system: nobody else can take it, and it is
// gone with the process. Half of it is for pages that the kernel's cache has accepted and not
// handed over yet, half for logs and small files, so that a database can still say that its disk is
// full. From the first block that is taken until all are back the disk counts as full: low(). Knows
// nothing of requests. Threads: safe. Spec: docs/decisions/0010-reserve.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/posix_file.h"

namespace freehold::fuse {

class Reserve {
 public:
  enum class Purpose { kAccepted, kLogs };

  // Takes `bytes` from the file system of `directory`. 0, or a file system that cannot give them
  // for certain: none, and it never is low. On a disk too full to give them it begins low.
  Reserve(const std::string& directory, std::uint64_t bytes);

  // What a mount holds when nobody says: 256 MiB, or 5 % of a smaller file system. 0 where the
  // file system does not say how large it is.
  static std::uint64_t DefaultSize(const std::string& directory);

  // The most that the kernel may have accepted and not handed over, so that its half of the reserve
  // suffices although every page of it were the first of a file, with a header of its own.
  std::uint64_t most_dirty_bytes() const { return size_ / 4; }

  bool low() const { return low_.load(); }
  // Gives back what a write of `bytes` needs, and makes it low. False when nothing is left for this
  // purpose, or when space is not what is missing.
  bool Release(std::uint64_t bytes, Purpose purpose);
  // Takes back what was given when there is room for it. False: still low.
  bool Refill();

 private:
  std::uint64_t FreeBytes() const;
  bool Resize(std::uint64_t bytes);

  UniqueFd file_;
  std::uint64_t size_ = 0;
  std::atomic<bool> low_{false};
  std::mutex mutex_;  // guards what follows
  std::uint64_t held_ = 0;
  std::uint64_t given_to_logs_ = 0;
};

}  // namespace freehold::fuse
