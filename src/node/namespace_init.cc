#include "node/namespace_init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <set>

#include "adapters/fuse/mount_point.h"
#include "fmt/format.h"

namespace freehold {
namespace {

// Where the two descriptors of a tree lie after everything else has been closed.
constexpr int kSignalFd = 3;
constexpr int kFailureFd = 4;

bool IsAtOrBelow(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "/");
}

// Existing directories without symbolic links, none below another of them.
std::vector<std::string> Outermost(std::vector<std::string> wanted) {
  for (const char* always : {"/dev/shm", "/tmp", "/var/tmp"}) wanted.emplace_back(always);
  std::set<std::string> real;
  for (const std::string& path : wanted) {
    char resolved[PATH_MAX];
    struct stat st = {};
    if (realpath(path.c_str(), resolved) == nullptr || stat(resolved, &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) real.insert(resolved);
  }
  std::vector<std::string> outermost;  // sorted: what holds a directory comes before it
  for (const std::string& path : real) {
    const bool inside = std::any_of(outermost.begin(), outermost.end(),
                                    [&](const auto& outer) { return IsAtOrBelow(path, outer); });
    if (!inside) outermost.push_back(path);
  }
  return outermost;
}

Status MountPrivate(const std::string& directory, const std::string& size) {
  struct stat st = {};
  if (stat(directory.c_str(), &st) != 0) return ErrnoError(errno, directory);
  const std::string data = fmt::format("mode={:o},uid={},gid={},size={}", st.st_mode & 07777,
                                       st.st_uid, st.st_gid, size);
  if (mount("tmpfs", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, data.c_str()) != 0) {
    return ErrnoError(errno, "a private tmpfs on " + directory);
  }
  return {};
}

// A place that must stay what it is, held by a descriptor while a tmpfs is put over it.
struct Kept {
  std::string path;
  UniqueFd fd;
};

Status BringBack(const Kept& kept) {
  // The parents of a path below a private directory are gone with what was there.
  TRY(MakeDirectories(kept.path, 0755));
  const std::string source = fmt::format("/proc/self/fd/{}", kept.fd.get());
  if (mount(source.c_str(), kept.path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return ErrnoError(errno, "bringing back " + kept.path);
  }
  return {};
}

// What is mounted when a namespace begins stays in use until that ends, wherever mounts are private
// from the start: a volume would not come down before its neighbour's database does.
void LeaveOtherVolumes(const std::vector<std::string>& visible) {
  for (const std::string& path : fuse::FreeholdMounts()) {
    const bool is_ours = std::any_of(visible.begin(), visible.end(), [&](const auto& place) {
      return IsAtOrBelow(place, path) || IsAtOrBelow(path, place);
    });
    if (!is_ours) umount2(path.c_str(), MNT_DETACH);
  }
}

Status MakePlaces(const NamespacePlaces& places) {
  umask(022);  // the parents of what is brought back must let the database's user pass
  // Slave: that the volume's mount is taken away shows in here; nothing from here shows outside.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    return ErrnoError(errno, "private mounts");
  }
  LeaveOtherVolumes(places.visible);
  const std::vector<std::string> directories = Outermost(places.private_tmpfs);
  std::vector<Kept> kept;
  for (const std::string& path : places.visible) {
    const bool covered = std::any_of(directories.begin(), directories.end(),
                                     [&](const auto& outer) { return IsAtOrBelow(path, outer); });
    if (!covered) continue;
    UniqueFd fd = TRY(OpenFile(path, O_PATH | O_DIRECTORY));
    kept.push_back({path, std::move(fd)});
  }
  for (const std::string& directory : directories) {
    TRY(MountPrivate(directory, places.tmpfs_size));
  }
  for (const Kept& place : kept) TRY(BringBack(place));
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return ErrnoError(errno, "/proc of the namespaces");
  }
  return {};
}

[[noreturn]] void Fail(const Error& error) {
  (void)WriteAll(kFailureFd, AsBytes(error.message()));
  _exit(kCouldNotRun);
}

// Descriptors 0 to 2 stay as they are; the tree's two come next; everything else is closed.
void KeepDescriptors(UniqueFd signal, UniqueFd failure) {
  const int signal_copy = fcntl(signal.get(), F_DUPFD_CLOEXEC, 10);
  const int failure_copy = fcntl(failure.get(), F_DUPFD_CLOEXEC, 10);
  signal.Release();
  failure.Release();
  dup3(signal_copy, kSignalFd, O_CLOEXEC);
  dup3(failure_copy, kFailureFd, O_CLOEXEC);
  CloseDescriptorsFrom(kFailureFd + 1);
}

// 1, not 0: that also keeps a core_pattern that is a pipe from being fed. Survives exec.
void RefuseCores() {
  const rlimit one{1, 1};
  setrlimit(RLIMIT_CORE, &one);
}

void ReapAll(pid_t main) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, WNOHANG);  // lint: process 1 reaps everyone
    if (ended <= 0) return;
    if (ended == main) _exit(ExitCodeOf(status));  // the kernel ends the rest with us
  }
}

[[noreturn]] void Watch(pid_t main, int children) {
  pollfd waiting[2] = {{children, POLLIN, 0}, {kSignalFd, POLLIN, 0}};
  for (;;) {
    if (poll(waiting, 2, -1) < 0) continue;
    if (waiting[0].revents != 0) {
      signalfd_siginfo info{};
      [[maybe_unused]] const ssize_t n = read(children, &info, sizeof info);
      ReapAll(main);
    }
    if (waiting[1].revents == 0) continue;
    std::uint8_t number = 0;
    if (read(kSignalFd, &number, 1) != 1) _exit(128 + SIGKILL);  // whoever started us is gone
    kill(main, number);
  }
}

}  // namespace

void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void CloseDescriptorsFrom(int first) { close_range(static_cast<unsigned>(first), ~0U, 0); }

int ExitCodeOf(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

void RunNamespaceInit(const NamespacePlaces& places, const MainProcess& main, UniqueFd signal,
                      UniqueFd failure) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ResetSignals();
  setsid();  // a Ctrl-C is for whoever started us, which stops the database in order
  KeepDescriptors(std::move(signal), std::move(failure));
  RefuseCores();
  if (auto made = MakePlaces(places); !made.ok()) Fail(made.error());
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  const int child_events = signalfd(-1, &children, SFD_CLOEXEC);
  const pid_t child = fork();
  if (child < 0) Fail(ErrnoError(errno, "fork"));
  if (child == 0) {
    ResetSignals();
    close(kSignalFd);
    Fail(main());
  }
  close(kFailureFd);
  Watch(child, child_events);
}

}  // namespace freehold
