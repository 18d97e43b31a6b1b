// NodeTable: the inodes that the kernel knows, and how to reach each without keeping it open.
//
// One Node per backing inode, so that hard links share a cache. A node is reopened by file handle
// (open_by_handle_at), so a known file costs no descriptor; where the backing file system has no
// handles, and for up to 4096 directories, an O_PATH descriptor is kept instead. Contents (File)
// are opened at the first use and kept for the last 512 idle files; fewer of both where the process
// may have few descriptors.
// Node ids are small integers, reused with a new generation: whoever must reach all of them (seal,
// guardian) counts from 1 to the highest.
// Errors: errno values, as the kernel wants them. Threads: safe.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/posix_file.h"
#include "vfs/file.h"

namespace freehold::fuse {

struct Node {
  std::uint64_t id = 0;
  std::uint64_t generation = 0;
  dev_t device = 0;
  ino_t inode = 0;
  bool regular = false;
  bool directory = false;
  bool direct = false;      // reads and writes bypass the kernel's cache
  bool write_once = false;  // and reads do so only of those who write
  int handle_type = 0;
  Bytes handle;                                 // empty where the backing file system has none
  UniqueFd kept;                                // O_PATH
  std::atomic<bool> has_privilege_bits{false};  // set-user-id or set-group-id: a write drops them

  std::atomic<bool> may_be_cached{false};  // although it is direct
  std::atomic<bool> grew{false};           // in the list of LateAttributes
  // A page was written after the kernel said when the file was modified: the backing file says now.
  std::atomic<bool> wrong_mtime{false};

  std::uint64_t lookups = 0;  // under the table's lock

  std::mutex mutex;  // guards what follows
  std::shared_ptr<File> file;
  int opens = 0;
  std::optional<timespec> told_mtime;  // by the kernel, which keeps the times of what it caches
};
using NodePtr = std::shared_ptr<Node>;

// A value, or the errno that the kernel is to be told.
template <typename T>
using OrErrno = tl::expected<T, int>;

class NodeTable {
 public:
  // `root` is an O_PATH or directory descriptor of the tree; `layer` outlives the table. `direct`
  // are shell patterns of paths below the root.
  NodeTable(UniqueFd root, FileLayer& layer, std::vector<std::string> direct);

  static constexpr std::uint64_t kRootId = 1;
  int root_fd() const { return root_fd_.get(); }
  FileLayer& layer() { return layer_; }
  bool write_once() const { return layer_.write_once(); }

  NodePtr Get(std::uint64_t id);  // null: forgotten
  // The node of an O_PATH descriptor, with one more lookup. `st` is its fstat.
  OrErrno<NodePtr> Learn(UniqueFd path_fd, const struct stat& st);
  void Forget(std::uint64_t id, std::uint64_t count);

  // A descriptor of the node: `flags` as for open(2); O_PATH is the cheap one.
  OrErrno<UniqueFd> Open(Node& node, int flags);
  // The contents. Opened once, shared by all openings. The first form logs what is wrong.
  OrErrno<std::shared_ptr<File>> Contents(Node& node);
  Result<std::shared_ptr<File>> OpenContents(Node& node);
  void AddOpening(Node& node);
  void DropOpening(const NodePtr& node);

  // From now on the highest id is kept in `shared` too, before the kernel hears of the node.
  void ShareHighestId(std::atomic<std::uint64_t>& shared);
  std::vector<NodePtr> All();
  // Lets go of every File: their ciphers and buffers are wiped. After this Contents() is EIO.
  void DropAllContents();

 private:
  struct BackingInode {
    dev_t device;
    ino_t inode;
    bool operator==(const BackingInode&) const = default;
  };
  struct HashInode {
    std::size_t operator()(const BackingInode& key) const {
      return std::hash<std::uint64_t>()(key.inode * 31 + key.device);
    }
  };

  bool IsDirect(int path_fd) const;
  std::uint64_t TakeId();
  // Both under the node's lock.
  OrErrno<UniqueFd> OpenBacking(Node& node);
  Result<std::shared_ptr<File>> OpenThrough(Node& node, UniqueFd backing);
  void TrimIdle();

  const UniqueFd root_fd_;
  FileLayer& layer_;
  const std::vector<std::string> direct_;
  const std::string root_path_;  // as /proc names it, with a slash behind it
  const bool handles_can_be_opened_;
  const std::size_t max_kept_directories_;
  const std::size_t max_idle_files_;

  mutable std::mutex mutex_;    // guards what follows
  std::vector<NodePtr> nodes_;  // by id
  std::vector<std::uint64_t> generations_;
  std::vector<std::uint64_t> free_ids_;
  std::unordered_map<BackingInode, NodePtr, HashInode> by_inode_;
  std::list<std::weak_ptr<Node>> idle_;
  std::size_t kept_directories_ = 0;
  std::atomic<std::uint64_t>* shared_highest_id_ = nullptr;
  bool closed_ = false;
};

}  // namespace freehold::fuse
