#include "cli/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace freehold::cli {
namespace {

bool HasEnded(const UniqueFd& process) {
  pollfd ended{process.get(), POLLIN, 0};
  return poll(&ended, 1, 0) == 1;
}

// In the child; does not return.
[[noreturn]] void Become(const ChildProcess& child, const UniqueFd& parent, char* const* argv) {
  prctl(PR_SET_PDEATHSIG, child.end == End::kWithItsTree ? SIGKILL : SIGTERM);
  if (HasEnded(parent)) std::_Exit(kNoProgram);  // it was quicker
  signal(SIGINT, SIG_DFL);
  if (child.end == End::kInOrder) setsid();
  if (child.directory >= 0 && fchdir(child.directory) != 0) std::_Exit(kNoProgram);
  dup2(child.out, STDOUT_FILENO);
  dup2(child.err, STDERR_FILENO);
  execvp(child.program.c_str(), argv);
  std::_Exit(kNoProgram);
}

}  // namespace

Result<pid_t> StartChild(const ChildProcess& child) {
  std::vector<char*> argv = {const_cast<char*>(child.program.c_str())};
  for (const std::string& word : child.words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const UniqueFd parent(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!parent.valid()) return ErrnoError(errno, "a descriptor of this process");
  const int flags = (child.end == End::kWithItsTree ? CLONE_NEWPID : 0) | SIGCHLD;
  const auto pid = static_cast<pid_t>(syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
  if (pid < 0) return ErrnoError(errno, "a new process for " + child.program);
  if (pid == 0) Become(child, parent, argv.data());
  return pid;
}

int WaitForChild(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<UniqueFd> NewTemporaryFile() {
  UniqueFd fd(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(errno, "a temporary file");
  return fd;
}

Result<std::string> ReadBack(const UniqueFd& file) {
  lseek(file.get(), 0, SEEK_SET);
  const Bytes bytes = TRY(ReadUntilEnd(file.get(), 1 << 26));
  return std::string(AsText(bytes));
}

}  // namespace freehold::cli
