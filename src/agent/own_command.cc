#include "agent/own_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold::agent {
namespace {

constexpr char kSelf[] = "/proc/self/exe";
constexpr std::size_t kMostWords = 64 * 1024;

// Made before the fork: after it nothing may be allocated.
class Words {
 public:
  Words(const std::vector<std::string>& arguments, const Variables& variables) {
    for (char** each = environ; *each != nullptr; ++each) {
      const std::string_view pair(*each);
      if (!variables.contains(std::string(pair.substr(0, pair.find('='))))) envp_.push_back(*each);
    }
    for (const auto& [name, value] : variables) set_.push_back(name + "=" + value);
    for (const std::string& pair : set_) envp_.push_back(const_cast<char*>(pair.c_str()));
    envp_.push_back(nullptr);
    argv_.push_back(const_cast<char*>("freehold"));
    for (const std::string& word : arguments) argv_.push_back(const_cast<char*>(word.c_str()));
    argv_.push_back(nullptr);
  }

  void Execute() const { execve(kSelf, argv_.data(), envp_.data()); }

 private:
  std::vector<std::string> set_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
};

[[noreturn]] void Become(const Words& words, int in, int out, int error) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(number, SIG_DFL);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  words.Execute();
  _exit(127);
}

// The last line that has something in it, without the program's name before it.
std::string LastSentence(const std::string& text) {
  const auto end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const auto start = text.rfind('\n', end);
  std::string line = text.substr(start == std::string::npos ? 0 : start + 1);
  line.erase(line.find_last_not_of('\n') + 1);
  constexpr std::string_view kName = "freehold: ";
  if (line.starts_with(kName)) line.erase(0, kName.size());
  return line;
}

// What comes until the end, or the deadline.
std::string ReadWords(int fd, BootTime deadline) {
  std::string words;
  char piece[4096];
  for (;;) {
    const Duration left = deadline - SystemClock().Boot();
    if (left <= Duration(0)) return words;
    pollfd waiting{fd, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    if (poll(&waiting, 1, static_cast<int>(std::min<long>(ms, 1000))) <= 0) continue;
    const ssize_t count = read(fd, piece, sizeof piece);
    if (count <= 0) return words;
    words.append(piece, static_cast<std::size_t>(count));
    if (words.size() > kMostWords) words.erase(0, words.size() - kMostWords);
  }
}

}  // namespace

Status RunOwnCommand(const std::vector<std::string>& arguments, const Variables& variables,
                     Duration deadline) {
  const Words command(arguments, variables);
  const BootTime until = SystemClock().Boot() + deadline;
  const UniqueFd null = TRY(OpenFile("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    Become(command, null.get(), null.get(), writing.get());
  }
  writing.Reset();
  const std::string words = ReadWords(reading.get(), until);
  const bool is_late = SystemClock().Boot() >= until;
  if (is_late) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (is_late) {
    return Error(ErrorCode::kTimeout,
                 fmt::format("'freehold {} {}' took too long", arguments[0], arguments[1]));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const ErrorCode code = WIFEXITED(status) ? CodeOfExit(WEXITSTATUS(status)) : ErrorCode::kInternal;
  const std::string sentence = LastSentence(words);
  return Error(code, sentence.empty() ? "a command of ours was killed" : Printable(sentence));
}

Result<pid_t> StartOwnCommand(const std::vector<std::string>& arguments, const Variables& variables,
                              const std::string& log_path) {
  const Words command(arguments, variables);
  const UniqueFd null = TRY(OpenFile("/dev/null", O_RDWR | O_CLOEXEC));
  const UniqueFd log =
      TRY(OpenFile(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) {
    setsid();
    Become(command, null.get(), log.get(), log.get());
  }
  return pid;
}

}  // namespace freehold::agent
