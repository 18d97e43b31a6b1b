// Mount: one FUSE mount over a backing directory and a FileLayer, and the steps that take it away.
//
// The steps of a seal are separate calls, so that their order and their deadlines are decided by
// the caller (node/seal.h): FlushDirty, Fence, DropPageCache, DropContents, Abort. None of them
// waits for a process of the database.
// Knows no keys: they are behind the FileLayer. Needs root. Threads: calls from one thread that
// serves no requests. Errors: kBusy for a mount point in use, kPermissionDenied without root.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/posix_file.h"
#include "base/result.h"
#include "vfs/file.h"

namespace freehold::fuse {

struct MountOptions {
  std::string backing_directory;
  std::string mount_point;
  std::string source;  // shown as the mount's device: the volume's directory
  int workers = 2;     // threads that serve requests; at least 2, see DropPageCache
  bool writeback_cache = true;
  // Shell patterns of paths below the mount ("*/pg_wal/*"; a * may span slashes): files that are
  // written in order and synced at once, such as write-ahead logs. They bypass the kernel's cache,
  // which would only be a detour. Decided by a file's name when it is first seen.
  std::vector<std::string> direct;
  // Bytes of the disk that are held back, so that what was accepted can be written when it is full.
  std::uint64_t reserve = 0;
};

class Mount {
 public:
  // What a mount of this directory holds back when nobody says.
  static std::uint64_t DefaultReserve(const std::string& backing_directory);
  // Mounted and served when it returns. `layer` outlives the mount.
  static Result<std::unique_ptr<Mount>> Start(const MountOptions& options, FileLayer& layer);
  virtual ~Mount() = default;

  // The connection to the kernel; a guardian that holds a copy can reach the page cache even when
  // this process is gone.
  virtual int device_fd() const = 0;
  // Keeps the highest node id where a guardian sees it. `shared` outlives the mount.
  virtual void ShareHighestNodeId(std::atomic<std::uint64_t>& shared) = 0;

  // While held, requests wait for the answer to a probe instead of being served.
  virtual void SetHeld(bool held) = 0;

  // Asks the kernel to hand over all dirty pages. False when `deadline` passed first.
  virtual bool FlushDirty(Duration deadline) = 0;
  // From now on every request is answered EIO; false when some were still inside at `deadline`.
  virtual bool Fence(Duration deadline) = 0;
  // Drops the kernel's cached pages of every inode it knows, unmapping them from all processes.
  // Dirty pages are offered to us once more, refused, and dropped. Only after Fence.
  virtual void DropPageCache() = 0;
  // Pages of ours still in the cache, by asking the kernel inode by inode; -1 if it cannot say.
  virtual std::int64_t CachedPages() = 0;
  // The contents of a file of the backing tree, named by an O_PATH descriptor, shared with all who
  // have it open through the mount. Errors: the FileLayer's, or kSealed once fenced.
  using Visit = std::function<Status(const std::shared_ptr<File>& contents)>;
  virtual Status WithContents(UniqueFd path_fd, const Visit& visit) = 0;
  // The same for each file that is open and has no name any more.
  virtual Status ForEachUnlinked(const Visit& visit) = 0;
  // Renames and new hard links so far, and a way to let them wait: by names alone, who looks at all
  // files may miss those that move meanwhile.
  virtual std::uint64_t Moves() const = 0;
  virtual std::shared_ptr<void> HoldNames() = 0;
  // Runs a piece of work inside the gate, as a request: Fence waits for it. kSealed once fenced.
  virtual Status Enter(const std::function<Status()>& work) = 0;
  // Lets go of every open File, so that no cipher is left in memory.
  virtual void DropContents() = 0;
  // Ends the connection: whoever waits gets ECONNABORTED, whoever comes gets ENOTCONN. Detaches the
  // mount point.
  virtual void Abort() = 0;

  // A plain unmount; kBusy while files are open there.
  virtual Status Unmount() = 0;
  // True once the connection is gone, whoever ended it.
  virtual bool ended() const = 0;
};

// Drops cached pages through a connection's descriptor alone, as the guardian does: node ids from 1
// to `highest`. Needs no daemon. Unknown ids cost a system call each.
void DropPageCacheThrough(int device_fd, std::uint64_t highest);

}  // namespace freehold::fuse
