// The requests of FUSE's low-level interface, by kind, over a NodeTable and a Gate.
//
// Each request takes a pass of the gate, does its work on the backing tree and answers once.
// ENOSYS is never answered to FSYNC or FSYNCDIR: the kernel would take it for success for ever.
// Spec: libfuse 3.14 fuse_lowlevel.h; POSIX; design section 5. Internal to adapters/fuse/.
#pragma once

#include <fuse_lowlevel.h>

#include <algorithm>
#include <atomic>
#include <shared_mutex>

#include "adapters/fuse/fresh_pages.h"
#include "adapters/fuse/full_disk.h"
#include "adapters/fuse/gate.h"
#include "adapters/fuse/late_attributes.h"
#include "adapters/fuse/mount.h"
#include "adapters/fuse/node_table.h"

namespace freehold::fuse {

struct MountState {
  MountState(const MountOptions& options, UniqueFd root, FileLayer& layer)
      : nodes(std::move(root), layer, options.direct),
        full_disk(options.backing_directory, options.reserve, nodes) {}
  NodeTable nodes;
  FullDisk full_disk;
  LateAttributes late_attributes;
  FreshPages fresh_pages;
  Gate gate;
  bool writeback = false;
  std::shared_mutex names;              // held shared while a name is given or changed
  std::atomic<std::uint64_t> moves{0};  // raised before and after each of them
  // The thread that counts cached pages behind the closed gate: its OPEN and GETATTR are answered.
  std::atomic<pid_t> auditor{0};
  std::atomic<bool> init_answered{false};  // the first reply is the one to INIT
};

// Adds the requests of one kind to the table of callbacks.
void AddNamespaceOperations(fuse_lowlevel_ops& ops);
void AddDataOperations(fuse_lowlevel_ops& ops);
void AddDirectoryOperations(fuse_lowlevel_ops& ops);
void AddAttributeOperations(fuse_lowlevel_ops& ops);

// Shared by the four files.
inline constexpr double kForever = 86400.0;  // we are the only writer: the kernel may cache

// How long attributes may be remembered. While the disk is full the kernel asks before each write.
inline double AttributeTimeout(const MountState& state) {
  return state.full_disk.low() ? 0.0 : kForever;
}

MountState& StateOf(fuse_req_t request);
bool IsAuditor(fuse_req_t request);
// The node, or an answer of ESTALE and null.
NodePtr NodeOrReply(fuse_req_t request, fuse_ino_t id);
// fstat of the node with the plaintext's size.
OrErrno<struct stat> StatOf(MountState& state, Node& node);
// A caller other than root changed the contents: takes away set-user-id and set-group-id, which the
// kernel leaves to us (KILLPRIV_V2).
void DropPrivilegeBits(fuse_req_t request, Node& node);
// At the end of an opening: the backing file's time of modification is the one the kernel told.
void SetToldModified(MountState& state, Node& node);
// How the kernel caches what is opened: not at all, or for as long as it likes, since we are the
// only writer of the backing file.
inline void SetCaching(Node& node, fuse_file_info* info) {
  const bool reads_only = node.write_once && (info->flags & O_ACCMODE) == O_RDONLY;
  const bool direct = node.direct && !reads_only;
  // Until now nobody saw to it that what may have come into the cache, through a map, stays true.
  const bool first = reads_only && !node.may_be_cached.exchange(true);
  info->direct_io = direct ? 1 : 0;
  info->keep_cache = direct || first ? 0 : 1;
}
// A file that has no header yet will have one with its first byte. No file is ever said to take no
// blocks: who copies sparse files would take it for one hole, whatever is still on its way.
inline void CountHeader(struct stat& st) { st.st_blocks = std::max<blkcnt_t>(st.st_blocks, 8); }
// Looks a name up, counts the lookup, and fills the entry.
int FillEntry(MountState& state, int parent_fd, const char* name, fuse_entry_param* entry);

}  // namespace freehold::fuse

// Every callback begins with this: an answer of EIO once the volume is fenced.
#define FREEHOLD_ENTER(request)                             \
  ::freehold::fuse::Gate::Pass pass(StateOf(request).gate); \
  if (!pass) {                                              \
    fuse_reply_err(request, EIO);                           \
    return;                                                 \
  }                                                         \
  [[maybe_unused]] MountState& state = StateOf(request)
