#include "adapters/fuse/mount.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/fuse/mount_point.h"
#include "adapters/fuse/operations.h"
#include "adapters/fuse/priority.h"
#include "base/locked_arena.h"
#include "base/log.h"
#include "fmt/format.h"

namespace freehold::fuse {
namespace {

constexpr std::size_t kRequestBufferSize = (1 << 20) + 4096;

// cachestat(2) has no wrapper in this libc.
struct CacheRange {
  std::uint64_t offset;
  std::uint64_t length;
};
struct CacheCounts {
  std::uint64_t cached;
  std::uint64_t dirty;
  std::uint64_t writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};
constexpr long kCachestat = 451;

constexpr std::uint32_t kDirectIoAllowMmap = 1U << 4;  // bit 36, in the second word of flags

// libfuse 3.14 does not know two flags of INIT, so they are put into its reply here. Without
// FUSE_HANDLE_KILLPRIV_V2 the kernel asks for security.capability before every write; without
// FUSE_DIRECT_IO_ALLOW_MMAP a file that bypasses the cache cannot be mapped shared.
ssize_t WriteReply(int fd, iovec* parts, int count, void* userdata) {
  auto& state = *static_cast<MountState*>(userdata);
  if (!state.init_answered.exchange(true) && count == 2 &&
      parts[1].iov_len >= sizeof(fuse_init_out)) {
    auto& reply = *static_cast<fuse_init_out*>(parts[1].iov_base);
    reply.flags |= FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;
    reply.flags2 |= kDirectIoAllowMmap;
  }
  return writev(fd, parts, count);
}

ssize_t ReadRequest(int fd, void* buffer, std::size_t size, void*) {
  return read(fd, buffer, size);
}

void Init(void* userdata, fuse_conn_info* connection) {
  const auto& state = *static_cast<MountState*>(userdata);
  // Asynchronous direct writes would take the places of reads that FreshPages waits for.
  const bool write_once = state.nodes.write_once();
  const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
                          (write_once ? 0U : FUSE_CAP_ASYNC_DIO) |
                          (state.writeback ? FUSE_CAP_WRITEBACK_CACHE : 0U);
  const unsigned refused = (write_once ? FUSE_CAP_ASYNC_DIO : 0U) | FUSE_CAP_ATOMIC_O_TRUNC |
                           FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                           FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV |
                           FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;
  connection->want = (connection->want | (wanted & connection->capable)) & ~refused;
  connection->max_background = 64;
  connection->congestion_threshold = 48;
}

fuse_lowlevel_ops Operations() {
  fuse_lowlevel_ops ops{};
  ops.init = Init;
  AddNamespaceOperations(ops);
  AddDataOperations(ops);
  AddDirectoryOperations(ops);
  AddAttributeOperations(ops);
  return ops;
}

class FuseMount final : public Mount {
 public:
  FuseMount(const MountOptions& options, UniqueFd root, FileLayer& layer)
      : options_(options), state_(options, std::move(root), layer) {
    state_.writeback = options.writeback_cache;
  }
  ~FuseMount() override;

  Status Connect();

  int device_fd() const override { return device_.get(); }
  void ShareHighestNodeId(std::atomic<std::uint64_t>& shared) override {
    state_.nodes.ShareHighestId(shared);
  }
  void SetHeld(bool held) override { state_.gate.SetHeld(held); }
  bool FlushDirty(Duration deadline) override;
  bool Fence(Duration deadline) override;
  void DropPageCache() override;
  std::int64_t CachedPages() override;
  Status WithContents(UniqueFd path_fd, const Visit& visit) override;
  Status ForEachUnlinked(const Visit& visit) override;
  Status Enter(const std::function<Status()>& work) override;
  std::uint64_t Moves() const override { return state_.moves.load(); }
  std::shared_ptr<void> HoldNames() override {
    return std::make_shared<std::unique_lock<std::shared_mutex>>(state_.names);
  }
  void DropContents() override { state_.nodes.DropAllContents(); }
  void Abort() override;
  Status Unmount() override;
  bool ended() const override { return ended_.load(); }

 private:
  void Serve();
  void JoinWorkers();
  Status VisitNode(const NodePtr& node, const Visit& visit);

  const MountOptions options_;
  MountState state_;
  fuse_session* session_ = nullptr;
  UniqueFd device_;
  UniqueFd mount_root_;  // of the mounted tree
  std::atomic<bool> ended_{false};
  std::vector<std::thread> workers_;
};

Status FuseMount::Connect() {
  device_ = TRY(OpenFile("/dev/fuse", O_RDWR));
  const std::string name = "freehold";
  std::vector<const char*> arguments = {name.c_str()};
  fuse_args args = FUSE_ARGS_INIT(1, const_cast<char**>(arguments.data()));
  static const fuse_lowlevel_ops ops = Operations();
  session_ = fuse_session_new(&args, &ops, sizeof ops, &state_);
  fuse_opt_free_args(&args);
  if (session_ == nullptr) return Error(ErrorCode::kInternal, "libfuse refuses a session");
  const std::string data = fmt::format(
      "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,max_read=1048576",
      device_.get());
  if (mount(options_.source.c_str(), options_.mount_point.c_str(), kFileSystemType,
            MS_NOSUID | MS_NODEV | MS_NOATIME, data.c_str()) != 0) {
    if (errno == EPERM) {
      return Error(ErrorCode::kPermissionDenied, "mounting needs root on this machine");
    }
    return ErrnoError(errno, "mount at " + options_.mount_point);
  }
  fuse_custom_io io{};
  io.writev = WriteReply;
  io.read = ReadRequest;
  if (fuse_session_custom_io(session_, &io, device_.get()) != 0) {
    AbortMountPoint(options_.mount_point);
    return Error(ErrorCode::kInternal, "libfuse refuses the connection");
  }
  state_.full_disk.SetSession(session_);
  for (int i = 0; i < std::max(2, options_.workers); ++i) {
    workers_.emplace_back([this] { Serve(); });
  }
  // The first look at the mount waits for INIT, so that it is served when we say so.
  mount_root_ = UniqueFd(open(options_.mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!mount_root_.valid()) {
    const int failure = errno;
    Abort();
    return ErrnoError(failure, "mount at " + options_.mount_point);
  }
  state_.full_disk.Start(mount_root_.get());
  state_.late_attributes.Start(session_);
  state_.fresh_pages.Start(session_);
  return {};
}

FuseMount::~FuseMount() {
  if (!ended_ && session_ != nullptr) Abort();
  JoinWorkers();
  if (session_ != nullptr) {
    device_.Release();  // closed by the session
    fuse_session_destroy(session_);
  }
}

void FuseMount::Serve() {
  // The kernel has applied the caller's umask already; ours, this thread's own, must not take more.
  if (unshare(CLONE_FS) == 0) umask(0);
  ServeFirst();
  void* const memory = std::aligned_alloc(4096, kRequestBufferSize + 4096);
  fuse_buf request{};
  request.mem = memory;
  request.size = kRequestBufferSize;
  while (fuse_session_exited(session_) == 0) {
    const int n = fuse_session_receive_buf(session_, &request);
    if (n == -EINTR || n == -EAGAIN) continue;
    if (n <= 0) break;
    fuse_session_process_buf(session_, &request);
  }
  fuse_session_exit(session_);
  WipeMemory(memory, kRequestBufferSize);  // what was written through the mount
  std::free(memory);
  ended_ = true;
}

bool FuseMount::FlushDirty(Duration deadline) {
  // syncfs waits for pages that we must write: on a thread that may be left behind.
  std::packaged_task<void()> flush([fd = dup(mount_root_.get())] {
    syncfs(fd);
    close(fd);
  });
  auto done = flush.get_future();
  std::thread(std::move(flush)).detach();
  return done.wait_for(deadline) == std::future_status::ready;
}

bool FuseMount::Fence(Duration deadline) {
  state_.gate.Close();
  return state_.gate.Drained(deadline);
}

void FuseMount::DropPageCache() {
  // Twice: the first pass offers dirty pages, which the gate refuses; the second finds them clean.
  for (int pass = 0; pass < 2; ++pass) {
    for (const NodePtr& node : state_.nodes.All()) {
      if (node->regular) fuse_lowlevel_notify_inval_inode(session_, node->id, 0, 0);
    }
  }
}

std::int64_t FuseMount::CachedPages() {
  std::int64_t total = 0;
  state_.auditor = gettid();
  for (const NodePtr& node : state_.nodes.All()) {
    if (!node->regular) continue;
    UniqueFd fd = OpenByNodeId(mount_root_.get(), *node, O_RDONLY);
    if (!fd.valid()) {
      if (errno == ESTALE) continue;  // not in the kernel's memory, so no pages either
      return -1;
    }
    CacheRange range{0, 0};
    CacheCounts counts{};
    if (syscall(kCachestat, fd.get(), &range, &counts, 0) != 0) return -1;
    total += static_cast<std::int64_t>(counts.cached);
  }
  return total;
}

Status FuseMount::Enter(const std::function<Status()>& work) {
  Gate::Pass pass(state_.gate);
  if (!pass) return Error(ErrorCode::kSealed, "the volume is sealed");
  return work();
}

Status FuseMount::VisitNode(const NodePtr& node, const Visit& visit) {
  std::shared_ptr<File> contents;
  TRY(Enter([&]() -> Status {
    contents = TRY(state_.nodes.OpenContents(*node));
    return {};
  }));
  state_.nodes.AddOpening(*node);
  const Status visited = visit(contents);
  contents.reset();
  state_.nodes.DropOpening(node);
  return visited;
}

Status FuseMount::WithContents(UniqueFd path_fd, const Visit& visit) {
  struct stat st = {};
  if (fstat(path_fd.get(), &st) != 0) return ErrnoError(errno, "stat");
  const UniqueFd held(dup(path_fd.get()));  // so that it can be opened although its name goes
  auto node = state_.nodes.Learn(std::move(path_fd), st);
  if (!node) return ErrnoError(node.error(), "a file of the volume");
  const Status visited = VisitNode(*node, visit);
  state_.nodes.Forget((*node)->id, 1);
  return visited;
}

Status FuseMount::ForEachUnlinked(const Visit& visit) {
  for (const NodePtr& node : state_.nodes.All()) {
    if (!node->regular) continue;
    auto fd = state_.nodes.Open(*node, O_PATH);
    struct stat st = {};
    if (!fd || fstat(fd->get(), &st) != 0 || st.st_nlink > 0) continue;
    TRY(VisitNode(node, visit));
  }
  return {};
}

void FuseMount::Abort() {
  state_.gate.Close();
  state_.full_disk.SetMount(-1);
  mount_root_.Reset();
  AbortMountPoint(options_.mount_point);
  JoinWorkers();
}

Status FuseMount::Unmount() {
  state_.full_disk.SetMount(-1);
  mount_root_.Reset();
  if (umount2(options_.mount_point.c_str(), 0) != 0) {
    const int failure = errno;
    mount_root_ = UniqueFd(open(options_.mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    state_.full_disk.SetMount(mount_root_.get());
    if (failure == EBUSY) {
      return Error(ErrorCode::kBusy, options_.mount_point + " is busy: files are open there");
    }
    return ErrnoError(failure, "unmount " + options_.mount_point);
  }
  JoinWorkers();
  return {};
}

void FuseMount::JoinWorkers() {
  for (std::thread& worker : workers_) {
    if (worker.joinable()) worker.join();
  }
  state_.full_disk.Stop();
  state_.late_attributes.Stop();
  state_.fresh_pages.Stop();
}

}  // namespace

std::uint64_t Mount::DefaultReserve(const std::string& backing_directory) {
  return Reserve::DefaultSize(backing_directory);
}

Result<std::unique_ptr<Mount>> Mount::Start(const MountOptions& options, FileLayer& layer) {
  TRY(CheckMountPoint(options.mount_point));
  UniqueFd root = TRY(OpenFile(options.backing_directory, O_RDONLY | O_DIRECTORY));
  auto mount = std::make_unique<FuseMount>(options, std::move(root), layer);
  TRY(mount->Connect());
  return std::unique_ptr<Mount>(std::move(mount));
}

void DropPageCacheThrough(int device_fd, std::uint64_t highest) {
  struct {
    fuse_out_header header;
    fuse_notify_inval_inode_out body;
  } notice{};
  notice.header.len = sizeof notice;
  notice.header.error = FUSE_NOTIFY_INVAL_INODE;
  for (int pass = 0; pass < 2; ++pass) {
    for (std::uint64_t id = 1; id <= highest; ++id) {
      notice.body.ino = id;
      [[maybe_unused]] const ssize_t n = write(device_fd, &notice, sizeof notice);
    }
  }
}

}  // namespace freehold::fuse
