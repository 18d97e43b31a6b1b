// Names: lookup, create, link, rename, remove.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <functional>

#include "adapters/fuse/operations.h"
#include "fmt/format.h"

namespace freehold::fuse {
namespace {

// Makes new files belong to the caller from their first instant. Raw calls: glibc's wrappers are
// per thread too, but say nothing of failure.
class AsCaller {
 public:
  explicit AsCaller(const fuse_ctx* caller) : changed_(caller->uid != 0 || caller->gid != 0) {
    if (!changed_) return;
    syscall(SYS_setfsgid, caller->gid);
    syscall(SYS_setfsuid, caller->uid);
  }
  ~AsCaller() {
    if (!changed_) return;
    syscall(SYS_setfsuid, 0);
    syscall(SYS_setfsgid, 0);
  }
  AsCaller(const AsCaller&) = delete;
  AsCaller& operator=(const AsCaller&) = delete;

 private:
  const bool changed_;
};

// Whoever goes over all files by their names must know of it (Mount::Moves, Mount::HoldNames).
class NameChange {
 public:
  explicit NameChange(MountState& state) : state_(state), lock_(state.names) { ++state_.moves; }
  ~NameChange() { ++state_.moves; }
  NameChange(const NameChange&) = delete;
  NameChange& operator=(const NameChange&) = delete;

 private:
  MountState& state_;
  std::shared_lock<std::shared_mutex> lock_;
};

// Runs a creating call as the caller. The kernel has checked the permissions already, with the
// caller's supplementary groups, which we do not have: where only those allow it, root makes the
// file and gives it away.
int CreateAsCaller(fuse_req_t request, int parent_fd, const char* name,
                   const std::function<int()>& create) {
  const fuse_ctx* caller = fuse_req_ctx(request);
  {
    AsCaller as_caller(caller);
    const int result = create();
    if (result >= 0 || (errno != EACCES && errno != EPERM)) return result;
  }
  const int result = create();
  if (result < 0) return result;
  struct stat parent = {};
  fstat(parent_fd, &parent);
  const gid_t group = (parent.st_mode & S_ISGID) != 0 ? static_cast<gid_t>(-1) : caller->gid;
  if (fchownat(parent_fd, name, caller->uid, group, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  return result;
}

void ReplyEntry(fuse_req_t request, MountState& state, int parent_fd, const char* name) {
  fuse_entry_param entry{};
  if (const int error = FillEntry(state, parent_fd, name, &entry); error != 0) {
    fuse_reply_err(request, error);
    return;
  }
  if (fuse_reply_entry(request, &entry) != 0) state.nodes.Forget(entry.ino, 1);
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, parent);
  if (node == nullptr) return;
  auto fd = state.nodes.Open(*node, O_PATH);
  if (!fd) return void(fuse_reply_err(request, fd.error()));
  fuse_entry_param entry{};
  const int error = FillEntry(state, fd->get(), name, &entry);
  if (error == ENOENT) {
    entry.entry_timeout = kForever;  // ino 0: the absence may be remembered
    fuse_reply_entry(request, &entry);
  } else if (error != 0) {
    fuse_reply_err(request, error);
  } else if (fuse_reply_entry(request, &entry) != 0) {
    state.nodes.Forget(entry.ino, 1);
  }
}

void Forget(fuse_req_t request, fuse_ino_t id, std::uint64_t count) {
  StateOf(request).nodes.Forget(id, count);
  fuse_reply_none(request);
}

void ForgetMulti(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) {
    StateOf(request).nodes.Forget(forgets[i].ino, forgets[i].nlookup);
  }
  fuse_reply_none(request);
}

// The parent's descriptor and a creating call on it, then the new entry.
void CreateEntry(fuse_req_t request, fuse_ino_t parent, const char* name,
                 const std::function<int(int parent_fd)>& create) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, parent);
  if (node == nullptr) return;
  auto fd = state.nodes.Open(*node, O_PATH);
  if (!fd) return void(fuse_reply_err(request, fd.error()));
  const int made = CreateAsCaller(request, fd->get(), name, [&] { return create(fd->get()); });
  if (made < 0) return void(fuse_reply_err(request, errno));
  ReplyEntry(request, state, fd->get(), name);
}

void Mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  // Device nodes have no place on a database's volume.
  if (S_ISCHR(mode) || S_ISBLK(mode)) return void(fuse_reply_err(request, EPERM));
  CreateEntry(request, parent, name,
              [&](int parent_fd) { return mknodat(parent_fd, name, mode, device); });
}

void Mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  CreateEntry(request, parent, name, [&](int parent_fd) { return mkdirat(parent_fd, name, mode); });
}

void Symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  CreateEntry(request, parent, name,
              [&](int parent_fd) { return symlinkat(target, parent_fd, name); });
}

void Link(fuse_req_t request, fuse_ino_t id, fuse_ino_t new_parent, const char* new_name) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  NodePtr parent = NodeOrReply(request, new_parent);
  if (parent == nullptr) return;
  auto fd = state.nodes.Open(*node, O_PATH);
  auto parent_fd = state.nodes.Open(*parent, O_PATH);
  if (!fd || !parent_fd) return void(fuse_reply_err(request, ESTALE));
  const NameChange change(state);
  const std::string source = fmt::format("/proc/self/fd/{}", fd->get());
  if (linkat(AT_FDCWD, source.c_str(), parent_fd->get(), new_name, AT_SYMLINK_FOLLOW) != 0) {
    return void(fuse_reply_err(request, errno));
  }
  ReplyEntry(request, state, parent_fd->get(), new_name);
}

void Create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, parent);
  if (node == nullptr) return;
  auto parent_fd = state.nodes.Open(*node, O_PATH);
  if (!parent_fd) return void(fuse_reply_err(request, parent_fd.error()));
  const int flags = O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW | (info->flags & (O_EXCL | O_TRUNC));
  const int made = CreateAsCaller(request, parent_fd->get(), name,
                                  [&] { return openat(parent_fd->get(), name, flags, mode); });
  if (made < 0) return void(fuse_reply_err(request, errno));
  // Kept by the kernel for a member of the group by a supplementary one, which we are not.
  if ((mode & S_ISGID) != 0) fchmod(made, mode & 07777);
  close(made);
  fuse_entry_param entry{};
  if (const int error = FillEntry(state, parent_fd->get(), name, &entry); error != 0) {
    return void(fuse_reply_err(request, error));
  }
  NodePtr created = state.nodes.Get(entry.ino);
  if (auto file = state.nodes.Contents(*created); !file) {
    state.nodes.Forget(entry.ino, 1);
    return void(fuse_reply_err(request, file.error()));
  }
  state.nodes.AddOpening(*created);
  SetCaching(*created, info);
  state.full_disk.PrepareOpening(*created, 0, info);
  if (fuse_reply_create(request, &entry, info) != 0) {
    state.nodes.DropOpening(created);
    state.nodes.Forget(entry.ino, 1);
  }
}

void RemoveName(fuse_req_t request, fuse_ino_t parent, const char* name, int flags) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, parent);
  if (node == nullptr) return;
  auto fd = state.nodes.Open(*node, O_PATH);
  if (!fd) return void(fuse_reply_err(request, fd.error()));
  fuse_reply_err(request, unlinkat(fd->get(), name, flags) == 0 ? 0 : errno);
}

void Unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  RemoveName(request, parent, name, 0);
}

void Rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  RemoveName(request, parent, name, AT_REMOVEDIR);
}

void Rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned int flags) {
  FREEHOLD_ENTER(request);
  NodePtr from = NodeOrReply(request, parent);
  if (from == nullptr) return;
  NodePtr to = NodeOrReply(request, new_parent);
  if (to == nullptr) return;
  auto from_fd = state.nodes.Open(*from, O_PATH);
  auto to_fd = state.nodes.Open(*to, O_PATH);
  if (!from_fd || !to_fd) return void(fuse_reply_err(request, ESTALE));
  const NameChange change(state);
  const int result = renameat2(from_fd->get(), name, to_fd->get(), new_name, flags);
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

void Readlink(fuse_req_t request, fuse_ino_t id) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  auto fd = state.nodes.Open(*node, O_PATH);
  if (!fd) return void(fuse_reply_err(request, fd.error()));
  char target[PATH_MAX + 1];
  const ssize_t n = readlinkat(fd->get(), "", target, PATH_MAX);
  if (n < 0) return void(fuse_reply_err(request, errno));
  target[n] = '\0';
  fuse_reply_readlink(request, target);
}

void Statfs(fuse_req_t request, fuse_ino_t) {
  FREEHOLD_ENTER(request);
  struct statvfs st = {};
  if (fstatvfs(state.nodes.root_fd(), &st) != 0) return void(fuse_reply_err(request, errno));
  if (state.full_disk.low()) st.f_bfree = st.f_bavail = 0;  // what is free belongs to the reserve
  fuse_reply_statfs(request, &st);
}

}  // namespace

MountState& StateOf(fuse_req_t request) {
  return *static_cast<MountState*>(fuse_req_userdata(request));
}

bool IsAuditor(fuse_req_t request) {
  return fuse_req_ctx(request)->pid == StateOf(request).auditor.load();
}

NodePtr NodeOrReply(fuse_req_t request, fuse_ino_t id) {
  NodePtr node = StateOf(request).nodes.Get(id);
  if (node == nullptr) fuse_reply_err(request, ESTALE);
  return node;
}

int FillEntry(MountState& state, int parent_fd, const char* name, fuse_entry_param* entry) {
  UniqueFd fd(openat(parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return errno;
  struct stat st = {};
  if (fstat(fd.get(), &st) != 0) return errno;
  auto node = state.nodes.Learn(std::move(fd), st);
  if (!node) return node.error();
  if ((*node)->regular) {
    std::lock_guard lock((*node)->mutex);
    if ((*node)->file != nullptr) {
      if (auto size = (*node)->file->Size(); size.ok()) st.st_size = static_cast<off_t>(*size);
    } else {
      st.st_size = static_cast<off_t>(
          state.nodes.layer().VisibleSize(static_cast<std::uint64_t>(st.st_size)));
    }
    CountHeader(st);
  }
  entry->ino = (*node)->id;
  entry->generation = (*node)->generation;
  entry->attr = st;
  entry->attr_timeout = AttributeTimeout(state);
  entry->entry_timeout = kForever;
  return 0;
}

void AddNamespaceOperations(fuse_lowlevel_ops& ops) {
  ops.lookup = Lookup;
  ops.forget = Forget;
  ops.forget_multi = ForgetMulti;
  ops.mknod = Mknod;
  ops.mkdir = Mkdir;
  ops.symlink = Symlink;
  ops.link = Link;
  ops.create = Create;
  ops.unlink = Unlink;
  ops.rmdir = Rmdir;
  ops.rename = Rename;
  ops.readlink = Readlink;
  ops.statfs = Statfs;
}

}  // namespace freehold::fuse
