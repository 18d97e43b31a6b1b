#include "node/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "fmt/format.h"
#include "node/namespace_init.h"

namespace freehold {
namespace {

constexpr int kNamespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;

struct Pipe {
  UniqueFd reading;
  UniqueFd writing;
};

Result<Pipe> NewPipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// fork() with namespaces; there is one thread, so the copy is whole.
pid_t CloneInto(int flags) {
  return static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, 0));
}

}  // namespace

Result<NamespacedTree> StartInNamespaces(const NamespacePlaces& places, const MainProcess& main) {
  Pipe signal = TRY(NewPipe());
  Pipe failure = TRY(NewPipe());
  fcntl(failure.reading.get(), F_SETFL, O_NONBLOCK);
  const pid_t init = CloneInto(kNamespaces);
  if (init < 0) return ErrnoError(errno, "clone into new namespaces");
  if (init == 0) {
    signal.writing.Reset();
    RunNamespaceInit(places, main, std::move(signal.reading), std::move(failure.writing));
  }
  return NamespacedTree{init, std::move(signal.writing), std::move(failure.reading)};
}

Status SignalMain(const NamespacedTree& tree, int number) {
  const auto byte = static_cast<std::uint8_t>(number);
  return WriteAll(tree.signal.get(), ByteView(&byte, 1));
}

Result<pid_t> StartBeside(pid_t init, const MainProcess& main) {
  const UniqueFd tree(static_cast<int>(syscall(SYS_pidfd_open, init, 0)));
  if (!tree.valid()) return ErrnoError(errno, "the database's namespaces");
  const pid_t child = fork();
  if (child < 0) return ErrnoError(errno, "fork");
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ResetSignals();
  if (setns(tree.get(), kNamespaces) != 0) _exit(kCouldNotRun);
  // The PID namespace holds for children: one more, whose exit code this process hands on.
  const pid_t inside = fork();
  if (inside == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CloseDescriptorsFrom(3);
    (void)main();
    _exit(kCouldNotRun);
  }
  int status = 0;
  while (inside > 0 && waitpid(inside, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(inside > 0 ? ExitCodeOf(status) : kCouldNotRun);
}

std::vector<std::string> ProcessesBelow(pid_t init) {
  // By descent: of a process that is ending, /proc shows no namespaces any more.
  struct Entry {
    pid_t parent;
    std::string text;
  };
  std::map<pid_t, Entry> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (pid <= 0 || !std::getline(file, line)) continue;
    const auto open = line.find('(');
    const auto close = line.rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    std::istringstream rest(line.substr(close + 1));
    char state = '?';
    pid_t parent = 0;
    rest >> state >> parent;
    all[pid] = {parent,
                fmt::format("{} {} ({})", pid, line.substr(open + 1, close - open - 1), state)};
  }
  std::vector<std::string> below;
  for (const auto& [pid, entry] : all) {
    pid_t at = pid;
    for (int depth = 0; at > 1 && at != init && depth < 64; ++depth) {
      const auto parent = all.find(at);
      at = parent == all.end() ? 0 : parent->second.parent;
    }
    if (at == init) below.push_back(entry.text);
  }
  return below;
}

}  // namespace freehold
