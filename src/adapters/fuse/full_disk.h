// FullDisk: what a mount does when its disk is full, so that nobody hears of it first at a sync.
//
// Pages that the kernel's cache accepted are written with the help of the reserve. From then on,
// until the reserve is whole again, files may not grow: the kernel is told to forget attributes, so
// that it asks for them before it takes a write(2) into its cache, and is answered ENOSPC.
// Logs, and files of up to 1 MiB that are opened meanwhile, bypass the cache and may grow, as far
// as their part of the reserve goes. Threads: safe; one of its own from Start to Stop. Spec:
// docs/decisions/0010-reserve.md.
#pragma once

#include <fuse_lowlevel.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "adapters/fuse/node_table.h"
#include "adapters/fuse/reserve.h"

namespace freehold::fuse {

class FullDisk {
 public:
  FullDisk(const std::string& backing_directory, std::uint64_t reserve, NodeTable& nodes)
      : reserve_(backing_directory, reserve), nodes_(nodes) {}
  ~FullDisk() { Stop(); }

  // Before the first request.
  void SetSession(fuse_session* session) { session_ = session; }
  // `mount_fd` is a descriptor of the mounted tree; limits what the kernel may have accepted.
  void Start(int mount_fd);
  // -1 before the mount is taken away: it must not be kept busy by us.
  void SetMount(int mount_fd);
  void Stop();

  bool low() const { return reserve_.low(); }

  // A write below that may need `bytes` of space; done again with the reserve's while it has some.
  Status Write(Reserve::Purpose purpose, std::uint64_t bytes, const std::function<Status()>& write);

  // Nodes that may use the reserve's other half.
  bool MayUseReserve(const Node& node, std::uint64_t end) const;
  // Whether a change that would end at `end` is refused. `size`: as we know it.
  bool RefusesGrowth(const Node& node, std::uint64_t end, std::uint64_t size) const;
  // Whether a thread that asks for attributes is about to write what cannot be: 0 or ENOSPC.
  int BeforeCachedWrite(Node& node, pid_t thread);
  // An opening while it is low: asked for attributes from its first write on, or past the cache.
  void PrepareOpening(Node& node, std::uint64_t size, fuse_file_info* info);

 private:
  void Keep();
  void ForgetAttributes();
  std::optional<std::uint64_t> SizeInKernel(const Node& node);

  Reserve reserve_;
  NodeTable& nodes_;
  fuse_session* session_ = nullptr;
  std::thread keeper_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  int mount_fd_ = -1;
  bool stopping_ = false;
};

// Opens a node of the mount by handle, without a path: fs/fuse answers from the inodes in memory.
UniqueFd OpenByNodeId(int mount_fd, const Node& node, int flags);

// Limits the pages of a mount that are accepted and not yet written to `bytes`. False where the
// kernel cannot (before Linux 6.2) or may not.
bool LimitDirtyBytes(int mount_fd, std::uint64_t bytes);

}  // namespace freehold::fuse
