// DroppingLayer: a disk that forgets what was not synced. For tests of durability.
//
// Every change goes to the backing file at once, and what it replaced is remembered until the file
// is synced. DropUnsynced() takes back all that never was, newest first: the state after a power
// loss on a disk that wrote nothing it was not told to. Names (create, rename, unlink) are kept.
// Threads: safe. Memory: one copy of all bytes overwritten since each file's last Sync.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "vfs/file.h"

namespace freehold {

class DroppingLayer : public FileLayer {
 public:
  Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing) override;
  std::uint64_t VisibleSize(std::uint64_t backing_size) const override { return backing_size; }

  // As after a sync of every file.
  void KeepAll();

  // Returns how many changes were taken back. No file may be in use any more.
  std::size_t DropUnsynced();

 private:
  friend class DroppingFile;
  struct Change {
    std::uint64_t inode;
    std::shared_ptr<File> backing;
    std::uint64_t old_size;
    std::uint64_t offset;
    Bytes old_bytes;
  };
  std::mutex mutex_;
  std::list<Change> changes_;
};

}  // namespace freehold
