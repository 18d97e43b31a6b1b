#include "kms/helper_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace freehold {
namespace {

constexpr Duration kInterruptPoll = std::chrono::milliseconds(50);

// posix_spawn's two objects, freed on every path.
class SpawnSettings {
 public:
  // The child gets `fd` as standard input and output, our standard error, and nothing else; its
  // signals are as in a fresh process, whatever this one blocks or ignores.
  explicit SpawnSettings(int fd) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, fd, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

Result<Pair> NewPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return ErrnoError(errno, "socketpair");
  }
  Pair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // Above the standard three: dup2 onto them in the child must not hit its own source.
  const int high = fcntl(pair.theirs.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (high < 0) return ErrnoError(errno, "fcntl");
  pair.theirs = UniqueFd(high);
  return pair;
}

Result<pid_t> Spawn(const HelperOptions& options, int fd) {
  std::vector<std::string> words = {"freehold"};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const SpawnSettings settings(fd);
  pid_t pid = -1;
  const int failure = posix_spawn(&pid, options.executable.c_str(), settings.actions(),
                                  settings.attributes(), argv.data(), environ);
  if (failure != 0) return ErrnoError(failure, "start of " + options.executable);
  return pid;
}

// Until the helper says something (or ends), the deadline passes, or somebody interrupts.
Status WaitForAnswer(int fd, const HelperOptions& options, BootTime deadline) {
  while (options.clock->Boot() < deadline) {
    if (options.Interrupted()) {
      return Error(ErrorCode::kBusy, "interrupted by an order to seal");
    }
    const Duration left = std::min<Duration>(deadline - options.clock->Boot(), kInterruptPoll);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd waiting{fd, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(ms));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return ErrnoError(errno, "poll");
  }
  return {};  // what is read next says that it took too long
}

}  // namespace

Result<std::unique_ptr<HelperProcess>> HelperProcess::Start(const HelperOptions& options) {
  Pair pair = TRY(NewPair());
  const pid_t pid = TRY(Spawn(options, pair.theirs.get()));
  return std::unique_ptr<HelperProcess>(
      new HelperProcess(pid, std::move(pair.ours), options.clock->Boot()));
}

HelperProcess::~HelperProcess() {
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<HelperAnswer> HelperProcess::Ask(const HelperRequest& request,
                                        const HelperOptions& options) {
  const BootTime deadline = options.clock->Boot() + options.deadline;
  TRY(SendFrame(fd_.get(), EncodeRequest(request), *options.clock, deadline));
  TRY(WaitForAnswer(fd_.get(), options, deadline));
  return DecodeAnswer(TRY(ReceiveFrame(fd_.get(), *options.clock, deadline)));
}

}  // namespace freehold
