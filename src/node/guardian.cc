#include "node/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "adapters/fuse/mount.h"
#include "adapters/fuse/mount_point.h"
#include "base/log.h"
#include "fmt/format.h"

namespace freehold {
namespace {

// Descriptors of the guardian after exec.
constexpr int kSocketFd = 3;
constexpr int kDeviceFd = 4;
constexpr int kSharedFd = 5;

// Messages, one datagram each: "beat", "protect PID", "dismiss".
constexpr std::string_view kBeat = "beat";
constexpr std::string_view kDismiss = "dismiss";
constexpr std::string_view kProtect = "protect ";

std::atomic<std::uint64_t>* MapShared(int fd) {
  void* memory = mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::atomic<std::uint64_t>*>(memory);
}

int OpenPidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }
void KillThrough(int pidfd) {
  if (pidfd >= 0) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
}

bool GoneWithin(int pidfd, int milliseconds) {
  pollfd waiting{pidfd, POLLIN, 0};
  return pidfd < 0 || poll(&waiting, 1, milliseconds) == 1;
}

class Guardian {
 public:
  Guardian(const GuardianOptions& options, pid_t daemon)
      : options_(options), daemon_(OpenPidfd(daemon)), shared_(MapShared(kSharedFd)) {}

  int Run() {
    const auto timeout_ms = static_cast<int>(
        std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat_timeout).count());
    BootTime deadline = SystemClock().Boot() + options_.heartbeat_timeout;
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - SystemClock().Boot());
      if (left.count() <= 0) return Act(fmt::format("no heartbeat for {} ms", timeout_ms));
      pollfd waiting{kSocketFd, POLLIN, 0};
      if (poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
      char buffer[64];
      const ssize_t n = recv(kSocketFd, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return Act("the daemon is gone");
      const std::string_view message(buffer, static_cast<std::size_t>(n));
      if (message == kDismiss) return 0;
      if (message.starts_with(kProtect)) Protect(message.substr(kProtect.size()));
      deadline = SystemClock().Boot() + options_.heartbeat_timeout;
    }
  }

 private:
  void Protect(std::string_view number) {
    if (protected_ >= 0) close(protected_);
    const pid_t pid = static_cast<pid_t>(std::strtol(std::string(number).c_str(), nullptr, 10));
    protected_ = pid > 0 ? OpenPidfd(pid) : -1;
  }

  int Act(std::string_view why) {
    LogError("guardian", fmt::format("{}: sealing {} from outside", why, options_.mount_point));
    KillThrough(protected_);  // its whole PID namespace goes with it
    KillThrough(daemon_);
    fuse::AbortMountPoint(options_.mount_point);
    // The connection is at its end, so dirty pages fail at once instead of waiting for an answer.
    if (shared_ != nullptr) fuse::DropPageCacheThrough(kDeviceFd, shared_->load());
    LogError("guardian", fmt::format("{} is fenced", options_.mount_point));
    if (!GoneWithin(daemon_, 2000)) LogError("guardian", "the daemon could not be reaped");
    if (!GoneWithin(protected_, 5000)) LogError("guardian", "the database could not be reaped");
    return 1;
  }

  const GuardianOptions options_;
  const int daemon_;
  std::atomic<std::uint64_t>* const shared_;
  int protected_ = -1;
};

}  // namespace

Result<std::unique_ptr<GuardianLink>> GuardianLink::Start(const GuardianOptions& options,
                                                          int device_fd) {
  std::unique_ptr<GuardianLink> link(new GuardianLink);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoError(errno, "guardian");
  }
  link->socket_ = UniqueFd(ends[0]);
  UniqueFd theirs(ends[1]);
  UniqueFd shared(memfd_create("freehold-guardian", MFD_CLOEXEC));
  if (!shared.valid() || ftruncate(shared.get(), sizeof(std::uint64_t)) != 0) {
    return ErrnoError(errno, "guardian");
  }
  link->shared_ = MapShared(shared.get());
  if (link->shared_ == nullptr) return ErrnoError(errno, "guardian");

  // Copies above 10 first, so that no dup2 below overwrites a descriptor that is still needed.
  UniqueFd copies[3] = {UniqueFd(fcntl(theirs.get(), F_DUPFD_CLOEXEC, 10)),
                        UniqueFd(fcntl(device_fd, F_DUPFD_CLOEXEC, 10)),
                        UniqueFd(fcntl(shared.get(), F_DUPFD_CLOEXEC, 10))};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 3; ++i) {
    posix_spawn_file_actions_adddup2(&actions, copies[i].get(), kSocketFd + i);
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  const std::string timeout = fmt::format(
      "{}",
      std::chrono::duration_cast<std::chrono::milliseconds>(options.heartbeat_timeout).count());
  const std::string daemon = fmt::format("{}", getpid());
  const char* arguments[] = {
      "freehold",      "internal",     "guardian", options.mount_point.c_str(),
      timeout.c_str(), daemon.c_str(), nullptr};
  char* nothing[] = {nullptr};  // it asks no KMS: our credentials are none of its business
  const int failure = posix_spawn(&link->pid_, "/proc/self/exe", &actions, &attributes,
                                  const_cast<char**>(arguments), nothing);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) return ErrnoError(failure, "guardian");
  return link;
}

GuardianLink::~GuardianLink() {
  socket_.Reset();
  if (pid_ > 0) waitpid(pid_, nullptr, WNOHANG);
  if (shared_ != nullptr) munmap(shared_, sizeof(std::uint64_t));
}

std::atomic<std::uint64_t>& GuardianLink::highest_node_id() { return *shared_; }

bool GuardianLink::SendLine(const std::string& line) {
  return send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
         errno == EAGAIN;
}

bool GuardianLink::Heartbeat() { return SendLine(std::string(kBeat)); }

bool GuardianLink::Protect(pid_t pid) { return SendLine(fmt::format("{}{}", kProtect, pid)); }

void GuardianLink::Dismiss() {
  SendLine(std::string(kDismiss));
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int RunGuardian(const GuardianOptions& options, pid_t daemon) {
  prctl(PR_SET_NAME, "freehold-guard");
  // Ctrl-C and a terminal's end are the daemon's business; it tells us.
  for (int ignored : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(ignored, SIG_IGN);
  return Guardian(options, daemon).Run();
}

}  // namespace freehold
