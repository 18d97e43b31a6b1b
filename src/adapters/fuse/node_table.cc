#include "adapters/fuse/node_table.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/log.h"
#include "fmt/format.h"
#include "vfs/posix_file.h"

namespace freehold::fuse {
namespace {

constexpr std::size_t kMaxKeptDirectories = 4096;
constexpr std::size_t kMaxIdleFiles = 512;

// Most descriptors are for files that are open; what is kept for speed takes a small part.
std::size_t ShareOfDescriptors(std::size_t part, std::size_t most) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return std::min<std::size_t>(limit.rlim_cur / part, most);
}

// A struct file_handle with room for the largest handle.
union HandleBuffer {
  struct file_handle handle;
  char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

bool ReadHandle(int path_fd, int* type, Bytes* bytes) {
  HandleBuffer buffer{};
  buffer.handle.handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (name_to_handle_at(path_fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) != 0) return false;
  *type = buffer.handle.handle_type;
  bytes->assign(buffer.handle.f_handle, buffer.handle.f_handle + buffer.handle.handle_bytes);
  return true;
}

// Handles can be taken on FUSE too, but only open what the kernel happens to remember.
bool HandlesCanBeOpened(int root_fd) {
  struct statfs fs = {};
  if (fstatfs(root_fd, &fs) != 0 || fs.f_type == FUSE_SUPER_MAGIC) return false;
  HandleBuffer buffer{};
  buffer.handle.handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (name_to_handle_at(root_fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) != 0) return false;
  return UniqueFd(open_by_handle_at(root_fd, &buffer.handle, O_PATH | O_CLOEXEC)).valid();
}

// "" where the kernel does not say.
std::string PathOf(int fd) {
  char path[PATH_MAX];
  const ssize_t n = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path, sizeof path);
  return n < 0 || n == sizeof path ? "" : std::string(path, static_cast<std::size_t>(n));
}

}  // namespace

NodeTable::NodeTable(UniqueFd root, FileLayer& layer, std::vector<std::string> direct)
    : root_fd_(std::move(root)),
      layer_(layer),
      direct_(std::move(direct)),
      root_path_(PathOf(root_fd_.get()) + "/"),
      handles_can_be_opened_(HandlesCanBeOpened(root_fd_.get())),
      max_kept_directories_(ShareOfDescriptors(4, kMaxKeptDirectories)),
      max_idle_files_(ShareOfDescriptors(8, kMaxIdleFiles)) {
  nodes_.resize(2);
  generations_.resize(2);
  auto node = std::make_shared<Node>();
  node->id = kRootId;
  node->directory = true;
  node->lookups = 1;
  node->kept = UniqueFd(dup(root_fd_.get()));
  struct stat st = {};
  fstat(root_fd_.get(), &st);
  node->device = st.st_dev;
  node->inode = st.st_ino;
  by_inode_[{st.st_dev, st.st_ino}] = node;
  nodes_[kRootId] = node;
}

NodePtr NodeTable::Get(std::uint64_t id) {
  std::lock_guard lock(mutex_);
  return id < nodes_.size() ? nodes_[id] : nullptr;
}

OrErrno<NodePtr> NodeTable::Learn(UniqueFd path_fd, const struct stat& st) {
  int type = 0;
  Bytes handle;
  const bool direct = S_ISREG(st.st_mode) && IsDirect(path_fd.get());
  const bool has_handle = handles_can_be_opened_ && ReadHandle(path_fd.get(), &type, &handle);
  std::lock_guard lock(mutex_);
  // The handle tells a reused inode number from the file that had it before.
  const auto known = by_inode_.find({st.st_dev, st.st_ino});
  if (known != by_inode_.end() && known->second->handle == handle) {
    ++known->second->lookups;
    return known->second;
  }
  if (st.st_dev != nodes_[kRootId]->device) return tl::unexpected(EXDEV);
  auto node = std::make_shared<Node>();
  node->id = TakeId();
  node->generation = generations_[node->id];
  node->device = st.st_dev;
  node->inode = st.st_ino;
  node->regular = S_ISREG(st.st_mode);
  node->directory = S_ISDIR(st.st_mode);
  node->direct = direct;
  node->write_once = node->regular && layer_.write_once();
  node->has_privilege_bits = (st.st_mode & (S_ISUID | S_ISGID)) != 0;
  node->handle_type = type;
  node->handle = std::move(handle);
  node->lookups = 1;
  if (!has_handle || (node->directory && kept_directories_ < max_kept_directories_)) {
    if (node->directory) ++kept_directories_;
    node->kept = std::move(path_fd);
  }
  nodes_[node->id] = node;
  by_inode_[{st.st_dev, st.st_ino}] = node;
  return node;
}

void NodeTable::Forget(std::uint64_t id, std::uint64_t count) {
  NodePtr gone;  // destroyed after the lock is released: closing a file may take time
  std::lock_guard lock(mutex_);
  if (id == kRootId || id >= nodes_.size() || nodes_[id] == nullptr) return;
  Node& node = *nodes_[id];
  node.lookups -= std::min(count, node.lookups);
  if (node.lookups != 0) return;
  const auto known = by_inode_.find({node.device, node.inode});
  if (known != by_inode_.end() && known->second == nodes_[id]) by_inode_.erase(known);
  if (node.directory && node.kept.valid()) --kept_directories_;
  gone = std::move(nodes_[id]);
  nodes_[id] = nullptr;
  ++generations_[id];
  free_ids_.push_back(id);
}

OrErrno<UniqueFd> NodeTable::Open(Node& node, int flags) {
  int fd = -1;
  if (node.kept.valid()) {
    fd = (flags & O_PATH) != 0
             ? fcntl(node.kept.get(), F_DUPFD_CLOEXEC, 0)
             : open(fmt::format("/proc/self/fd/{}", node.kept.get()).c_str(), flags | O_CLOEXEC);
  } else {
    HandleBuffer buffer{};
    buffer.handle.handle_bytes = static_cast<unsigned>(node.handle.size());
    buffer.handle.handle_type = node.handle_type;
    std::memcpy(buffer.handle.f_handle, node.handle.data(), node.handle.size());
    fd = open_by_handle_at(root_fd_.get(), &buffer.handle, flags | O_CLOEXEC);
  }
  if (fd < 0) return tl::unexpected(errno);
  return UniqueFd(fd);
}

OrErrno<std::shared_ptr<File>> NodeTable::Contents(Node& node) {
  std::lock_guard lock(node.mutex);
  if (node.file != nullptr) return node.file;
  auto fd = OpenBacking(node);
  if (!fd) return tl::unexpected(fd.error());
  auto file = OpenThrough(node, std::move(*fd));
  if (file.ok()) return *file;
  LogError("mount", fmt::format("inode {}: {}", node.inode, file.error().message()));
  return tl::unexpected(InfoOf(file.error().code()).errno_value);
}

Result<std::shared_ptr<File>> NodeTable::OpenContents(Node& node) {
  std::lock_guard lock(node.mutex);
  if (node.file != nullptr) return node.file;
  auto fd = OpenBacking(node);
  if (!fd) return ErrnoError(fd.error(), "a file of the volume");
  return OpenThrough(node, std::move(*fd));
}

OrErrno<UniqueFd> NodeTable::OpenBacking(Node& node) {
  {
    std::lock_guard table_lock(mutex_);
    if (closed_) return tl::unexpected(EIO);
  }
  return Open(node, O_RDWR | O_NOATIME);
}

Result<std::shared_ptr<File>> NodeTable::OpenThrough(Node& node, UniqueFd backing) {
  node.file = TRY(layer_.Open(std::make_unique<PosixFile>(std::move(backing))));
  return node.file;
}

void NodeTable::AddOpening(Node& node) {
  std::lock_guard lock(node.mutex);
  ++node.opens;
}

void NodeTable::DropOpening(const NodePtr& node) {
  std::shared_ptr<File> closed;
  {
    std::lock_guard lock(node->mutex);
    if (--node->opens > 0) return;
    closed = node->file;
  }
  if (closed != nullptr) {
    if (auto flushed = closed->Flush(); !flushed.ok()) {
      LogError("mount", fmt::format("inode {}: {}", node->inode, flushed.error().message()));
    }
    closed.reset();
  }
  {
    std::lock_guard lock(mutex_);
    idle_.push_back(node);
  }
  TrimIdle();
}

void NodeTable::TrimIdle() {
  for (;;) {
    NodePtr oldest;
    {
      std::lock_guard lock(mutex_);
      if (idle_.size() <= max_idle_files_) return;
      oldest = idle_.front().lock();
      idle_.pop_front();
    }
    if (oldest == nullptr) continue;
    std::lock_guard lock(oldest->mutex);
    std::shared_ptr<File> closing;  // closed under the lock: no second object may come meanwhile
    // Whoever still works on it keeps it: two objects for one inode would disagree on its size.
    if (oldest->opens == 0 && oldest->file.use_count() == 1) closing = std::move(oldest->file);
  }
}

void NodeTable::ShareHighestId(std::atomic<std::uint64_t>& shared) {
  std::lock_guard lock(mutex_);
  shared_highest_id_ = &shared;
  shared.store(nodes_.size() - 1);
}

std::vector<NodePtr> NodeTable::All() {
  std::lock_guard lock(mutex_);
  std::vector<NodePtr> all;
  for (const NodePtr& node : nodes_) {
    if (node != nullptr) all.push_back(node);
  }
  return all;
}

void NodeTable::DropAllContents() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  for (const NodePtr& node : All()) {
    std::lock_guard lock(node->mutex);
    node->file.reset();
  }
}

bool NodeTable::IsDirect(int path_fd) const {
  if (layer_.write_once()) return true;
  if (direct_.empty()) return false;
  const std::string path = PathOf(path_fd);
  if (!path.starts_with(root_path_)) return false;
  const char* relative = path.c_str() + root_path_.size();
  return std::any_of(direct_.begin(), direct_.end(), [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), relative, 0) == 0;
  });
}

std::uint64_t NodeTable::TakeId() {
  if (!free_ids_.empty()) {
    const std::uint64_t id = free_ids_.back();
    free_ids_.pop_back();
    return id;
  }
  nodes_.push_back(nullptr);
  generations_.push_back(0);
  if (shared_highest_id_ != nullptr) shared_highest_id_->store(nodes_.size() - 1);
  return nodes_.size() - 1;
}

}  // namespace freehold::fuse
