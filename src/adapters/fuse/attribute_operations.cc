// Attributes: stat, chmod, chown, times, truncate, extended attributes.
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "adapters/fuse/operations.h"
#include "fmt/format.h"

namespace freehold::fuse {
namespace {

// O_PATH descriptors take no fchmod and no fsetxattr; their name under /proc does.
std::string PathOf(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

timespec TimeOf(int to_set, int set_bit, int now_bit, const timespec& value) {
  if ((to_set & now_bit) != 0) return {0, UTIME_NOW};
  if ((to_set & set_bit) != 0) return value;
  return {0, UTIME_OMIT};
}

int ApplyOwnerAndMode(int fd, const struct stat& wanted, int to_set) {
  if ((to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
    const uid_t uid = (to_set & FUSE_SET_ATTR_UID) != 0 ? wanted.st_uid : static_cast<uid_t>(-1);
    const gid_t gid = (to_set & FUSE_SET_ATTR_GID) != 0 ? wanted.st_gid : static_cast<gid_t>(-1);
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0) return errno;
  }
  if ((to_set & FUSE_SET_ATTR_MODE) != 0 && chmod(PathOf(fd).c_str(), wanted.st_mode) != 0) {
    return errno;
  }
  return 0;
}

int ApplyTimes(int fd, const struct stat& wanted, int to_set) {
  const timespec times[2] = {
      TimeOf(to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, wanted.st_atim),
      TimeOf(to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, wanted.st_mtim)};
  if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return 0;
  return utimensat(fd, "", times, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

// Not within a step of a re-encryption, which puts back the times that it found.
int SetTimes(Node& node, int fd, const struct stat& wanted, int to_set) {
  std::lock_guard lock(node.mutex);
  if (node.file == nullptr) return ApplyTimes(fd, wanted, to_set);
  int error = 0;
  node.file->ChangeAttributes([&] { error = ApplyTimes(fd, wanted, to_set); });
  return error;
}

// The kernel says when a file was modified only when that changes: truncated and written within one
// tick of its clock, a file's pages follow and nothing else.
void RememberModified(Node& node, const struct stat& wanted, int to_set) {
  if ((to_set & FUSE_SET_ATTR_MTIME) == 0) return;
  std::lock_guard lock(node.mutex);
  node.told_mtime.reset();
  if ((to_set & FUSE_SET_ATTR_MTIME_NOW) == 0) node.told_mtime = wanted.st_mtim;
  node.wrong_mtime = false;
}

int ApplySize(MountState& state, const NodePtr& node, off_t size) {
  if (!node->regular) return EINVAL;
  auto file = state.nodes.Contents(*node);
  if (!file) return file.error();
  state.nodes.AddOpening(*node);  // by path there is none, and the contents would be kept for ever
  auto done = (*file)->Truncate(static_cast<std::uint64_t>(size));
  file->reset();
  state.nodes.DropOpening(node);
  return done.ok() ? 0 : InfoOf(done.error().code()).errno_value;
}

int ApplyAll(fuse_req_t request, const NodePtr& node, const struct stat& wanted, int to_set) {
  MountState& state = StateOf(request);
  auto fd = state.nodes.Open(*node, O_PATH);
  if (!fd) return fd.error();
  if (const int error = ApplyOwnerAndMode(fd->get(), wanted, to_set); error != 0) return error;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) {
    node->has_privilege_bits = (wanted.st_mode & (S_ISUID | S_ISGID)) != 0;
  }
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) {
    if (const int error = ApplySize(state, node, wanted.st_size); error != 0) return error;
    DropPrivilegeBits(request, *node);
  }
  if (state.writeback && node->regular) RememberModified(*node, wanted, to_set);
  return SetTimes(*node, fd->get(), wanted, to_set);
}

}  // namespace

void SetToldModified(MountState& state, Node& node) {
  if (!node.wrong_mtime.exchange(false)) return;
  std::optional<timespec> told;
  {
    std::lock_guard lock(node.mutex);
    told = node.told_mtime;
  }
  if (!told.has_value()) return;
  struct stat wanted = {};
  wanted.st_mtim = *told;
  if (auto fd = state.nodes.Open(node, O_PATH); fd) {
    SetTimes(node, fd->get(), wanted, FUSE_SET_ATTR_MTIME);
  }
}

namespace {

void ReplyAttributes(fuse_req_t request, MountState& state, Node& node) {
  auto st = StatOf(state, node);
  if (!st) return void(fuse_reply_err(request, st.error()));
  fuse_reply_attr(request, &*st, AttributeTimeout(state));
}

// With an opening, the question may be the one before a write.
void Getattr(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  if (IsAuditor(request)) {
    NodePtr audited = NodeOrReply(request, id);
    if (audited != nullptr) ReplyAttributes(request, StateOf(request), *audited);
    return;
  }
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  const pid_t caller = fuse_req_ctx(request)->pid;
  if (info != nullptr) {
    if (const int error = state.full_disk.BeforeCachedWrite(*node, caller); error != 0) {
      return void(fuse_reply_err(request, error));
    }
  }
  ReplyAttributes(request, state, *node);
}

// The kernel hands over a file's times late, with a syncfs perhaps when the file has been removed
// and is gone: nobody can ever read them, and syncfs must not fail for that.
bool AreLateTimes(const Node& node, int to_set, int error) {
  constexpr int kTimes = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_CTIME;
  return error == ESTALE && node.regular && (to_set & ~kTimes) == 0;
}

void Setattr(fuse_req_t request, fuse_ino_t id, struct stat* wanted, int to_set, fuse_file_info*) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  if (const int error = ApplyAll(request, node, *wanted, to_set); error != 0) {
    if (AreLateTimes(*node, to_set, error)) {
      struct stat gone = *wanted;
      gone.st_ino = node->inode;
      gone.st_mode = S_IFREG;
      return void(fuse_reply_attr(request, &gone, 0));
    }
    return void(fuse_reply_err(request, error));
  }
  ReplyAttributes(request, state, *node);
}

constexpr std::string_view kAclPrefix = "system.posix_acl_";

// Runs an xattr call on the node's path under /proc and answers a failure itself.
template <typename Call>
ssize_t OnPath(fuse_req_t request, fuse_ino_t id, Call call) {
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return -1;
  auto fd = StateOf(request).nodes.Open(*node, O_PATH);
  if (!fd) {
    fuse_reply_err(request, fd.error());
    return -1;
  }
  const ssize_t result = call(PathOf(fd->get()).c_str());
  if (result < 0) fuse_reply_err(request, errno);
  return result;
}

void Setxattr(fuse_req_t request, fuse_ino_t id, const char* name, const char* value,
              std::size_t size, int flags) {
  FREEHOLD_ENTER(request);
  // The kernel would store a list and decide by the mode alone, to whose group bits the list's mask
  // has gone: it would let in those whom the list keeps out.
  if (std::string_view(name).starts_with(kAclPrefix)) {
    return void(fuse_reply_err(request, EOPNOTSUPP));
  }
  const auto done = OnPath(
      request, id, [&](const char* path) { return setxattr(path, name, value, size, flags); });
  if (done >= 0) fuse_reply_err(request, 0);
}

void Getxattr(fuse_req_t request, fuse_ino_t id, const char* name, std::size_t size) {
  FREEHOLD_ENTER(request);
  std::string value(size, '\0');
  const ssize_t n = OnPath(request, id, [&](const char* path) {
    return getxattr(path, name, size == 0 ? nullptr : value.data(), size);
  });
  if (n < 0) return;
  if (size == 0) return void(fuse_reply_xattr(request, static_cast<std::size_t>(n)));
  fuse_reply_buf(request, value.data(), static_cast<std::size_t>(n));
}

// We list as root, who sees names that others are not shown.
std::string WithoutTrusted(std::string_view names) {
  std::string left;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\0') + 1);
    if (!name.starts_with(XATTR_TRUSTED_PREFIX)) left += name;
    names.remove_prefix(name.size());
  }
  return left;
}

void Listxattr(fuse_req_t request, fuse_ino_t id, std::size_t size) {
  FREEHOLD_ENTER(request);
  std::string names(XATTR_LIST_MAX, '\0');
  const ssize_t n = OnPath(
      request, id, [&](const char* path) { return listxattr(path, names.data(), names.size()); });
  if (n < 0) return;
  names.resize(static_cast<std::size_t>(n));
  if (fuse_req_ctx(request)->uid != 0) names = WithoutTrusted(names);
  if (size == 0) return void(fuse_reply_xattr(request, names.size()));
  if (names.size() > size) return void(fuse_reply_err(request, ERANGE));
  fuse_reply_buf(request, names.data(), names.size());
}

void Removexattr(fuse_req_t request, fuse_ino_t id, const char* name) {
  FREEHOLD_ENTER(request);
  const auto done = OnPath(request, id, [&](const char* path) { return removexattr(path, name); });
  if (done >= 0) fuse_reply_err(request, 0);
}

}  // namespace

void DropPrivilegeBits(fuse_req_t request, Node& node) {
  if (fuse_req_ctx(request)->uid == 0 || !node.has_privilege_bits.exchange(false)) return;
  auto fd = StateOf(request).nodes.Open(node, O_PATH);
  struct stat st = {};
  if (!fd || fstat(fd->get(), &st) != 0 || (st.st_mode & (S_ISUID | S_ISGID)) == 0) return;
  mode_t mode = st.st_mode & 07777 & ~S_ISUID;
  if ((mode & S_IXGRP) != 0) mode &= ~S_ISGID;
  chmod(PathOf(fd->get()).c_str(), mode);
}

OrErrno<struct stat> StatOf(MountState& state, Node& node) {
  std::lock_guard lock(node.mutex);
  auto fd = state.nodes.Open(node, O_PATH);
  if (!fd) return tl::unexpected(fd.error());
  struct stat st = {};
  if (fstat(fd->get(), &st) != 0) return tl::unexpected(errno);
  if (!node.regular) return st;
  if (node.file == nullptr) {
    st.st_size =
        static_cast<off_t>(state.nodes.layer().VisibleSize(static_cast<std::uint64_t>(st.st_size)));
  } else if (auto size = node.file->Size(); size.ok()) {
    st.st_size = static_cast<off_t>(*size);
  }
  CountHeader(st);
  return st;
}

void AddAttributeOperations(fuse_lowlevel_ops& ops) {
  ops.getattr = Getattr;
  ops.setattr = Setattr;
  ops.setxattr = Setxattr;
  ops.getxattr = Getxattr;
  ops.listxattr = Listxattr;
  ops.removexattr = Removexattr;
}

}  // namespace freehold::fuse
