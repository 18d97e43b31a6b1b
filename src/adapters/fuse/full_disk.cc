#include "adapters/fuse/full_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "adapters/fuse/write_call.h"
#include "base/log.h"

namespace freehold::fuse {
namespace {

constexpr std::uint64_t kSmallFile = 1 << 20;
constexpr auto kLookAgain = std::chrono::milliseconds(250);

}  // namespace

UniqueFd OpenByNodeId(int mount_fd, const Node& node, int flags) {
  union {
    struct file_handle handle;
    char room[sizeof(struct file_handle) + 12];
  } buffer{};
  constexpr int kInode64Generation = 0x81;
  buffer.handle.handle_bytes = 12;
  buffer.handle.handle_type = kInode64Generation;
  const std::uint32_t words[3] = {static_cast<std::uint32_t>(node.id >> 32),
                                  static_cast<std::uint32_t>(node.id),
                                  static_cast<std::uint32_t>(node.generation)};
  std::memcpy(buffer.handle.f_handle, words, sizeof words);
  return UniqueFd(open_by_handle_at(mount_fd, &buffer.handle, flags | O_CLOEXEC));
}

void FullDisk::Start(int mount_fd) {
  if (reserve_.most_dirty_bytes() == 0) return;
  if (!LimitDirtyBytes(mount_fd, reserve_.most_dirty_bytes())) {
    LogWarning("mount",
               "this kernel does not limit the unwritten pages of one mount (Linux 6.2 does): if "
               "they are more than the reserve, a full disk may show at a sync");
  }
  SetMount(mount_fd);
  keeper_ = std::thread([this] { Keep(); });
}

void FullDisk::SetMount(int mount_fd) {
  std::lock_guard lock(mutex_);
  mount_fd_ = mount_fd;
}

void FullDisk::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (keeper_.joinable()) keeper_.join();
}

void FullDisk::Keep() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait(lock, [this] { return stopping_ || low(); });
    if (stopping_) return;
    lock.unlock();
    // Not by a worker: the kernel may wait for a page of an inode that is going away.
    ForgetAttributes();
    bool whole = false;
    while (!whole) {
      lock.lock();
      changed_.wait_for(lock, kLookAgain, [this] { return stopping_; });
      if (stopping_) return;
      lock.unlock();
      whole = reserve_.Refill();  // a disk may let it wait, and nobody else for it
    }
    lock.lock();
  }
}

// Those first that are open, which can grow meanwhile.
void FullDisk::ForgetAttributes() {
  for (const bool open : {true, false}) {
    for (const NodePtr& node : nodes_.All()) {
      if (!node->regular) continue;
      {
        std::lock_guard lock(node->mutex);
        if ((node->opens > 0) != open) continue;
      }
      fuse_lowlevel_notify_inval_inode(session_, node->id, -1, 0);
    }
  }
}

Status FullDisk::Write(Reserve::Purpose purpose, std::uint64_t bytes,
                       const std::function<Status()>& write) {
  for (;;) {
    Status written = write();
    if (written.ok() || written.error().code() != ErrorCode::kNoSpace) return written;
    const bool released = reserve_.Release(bytes, purpose);
    if (low()) {
      std::lock_guard lock(mutex_);
      changed_.notify_all();
    }
    if (!released) return written;
  }
}

bool FullDisk::MayUseReserve(const Node& node, std::uint64_t end) const {
  return node.direct || end <= kSmallFile;
}

bool FullDisk::RefusesGrowth(const Node& node, std::uint64_t end, std::uint64_t size) const {
  return low() && end > size && !MayUseReserve(node, end);
}

int FullDisk::BeforeCachedWrite(Node& node, pid_t thread) {
  if (!low() || !node.regular || node.direct) return 0;
  const auto call = WriteCallOf(thread);
  if (!call.has_value() || call->size == 0) return 0;
  const auto size = SizeInKernel(node);
  if (!size.has_value()) return 0;
  if (!call->offset.has_value() || *call->offset + call->size > *size) return ENOSPC;
  // Inside of the file nothing may be missing but what was never written: it gets its blocks now.
  // Not more than these: Allocate adds a block for the slack.
  const std::uint64_t end = *call->offset + call->size;
  const std::uint64_t start = std::min(*call->offset, end - std::min<std::uint64_t>(end, 16));
  auto file = nodes_.Contents(node);
  if (!file) return file.error();
  const std::uint64_t length = std::max<std::uint64_t>(end - start, 16) - 16;
  const Status allocated = (*file)->Allocate(AllocateMode::kKeepSize, start, length);
  return !allocated.ok() && allocated.error().code() == ErrorCode::kNoSpace ? ENOSPC : 0;
}

void FullDisk::PrepareOpening(Node& node, std::uint64_t size, fuse_file_info* info) {
  if (!low() || node.direct) return;
  if (size < kSmallFile && (info->flags & O_ACCMODE) != O_RDONLY) {
    info->direct_io = 1;
    info->keep_cache = 0;
    return;
  }
  fuse_lowlevel_notify_inval_inode(session_, node.id, -1, 0);
}

// What it has accepted already counts; asked without a request, which nobody could answer.
std::optional<std::uint64_t> FullDisk::SizeInKernel(const Node& node) {
  std::lock_guard lock(mutex_);
  if (mount_fd_ < 0) return std::nullopt;
  const UniqueFd fd = OpenByNodeId(mount_fd_, node, O_PATH);
  struct statx st = {};
  if (!fd.valid() ||
      statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &st) != 0) {
    return std::nullopt;
  }
  return st.stx_size;
}

}  // namespace freehold::fuse
