#include "node/hook_workload.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "fmt/format.h"
#include "node/namespace_init.h"

namespace freehold {
namespace {

constexpr BootTime kNever{Duration::max()};

// Ours, but for what is meant for us: credentials for a KMS are none of a hook's, which may start
// what runs as somebody else.
std::vector<std::string> EnvironmentOf(const Hooks& hooks, const CustodyWords& why) {
  std::vector<std::string> pairs = {"FREEHOLD_MOUNT=" + hooks.mount,
                                    "FREEHOLD_VOLUME=" + hooks.volume,
                                    "FREEHOLD_STATE=" + why.state, "FREEHOLD_REASON=" + why.reason};
  constexpr std::array<std::string_view, 5> kOurs = {"AWS_", "AZURE_", "GOOGLE_", "VAULT_",
                                                     "FREEHOLD_"};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view pair(*variable);
    const auto is_its = [&](std::string_view prefix) { return pair.starts_with(prefix); };
    if (std::none_of(kOurs.begin(), kOurs.end(), is_its)) pairs.emplace_back(pair);
  }
  return pairs;
}

}  // namespace

Result<pid_t> HookWorkload::Run(const std::string& command, const CustodyWords& why) const {
  std::vector<std::string> environment = EnvironmentOf(hooks_, why);
  std::vector<char*> pairs;
  for (std::string& pair : environment) pairs.push_back(pair.data());
  pairs.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return ErrnoError(errno, "fork");
  if (child > 0) {
    setpgid(child, child);  // here too, so that a signal to the group cannot come too early
    return child;
  }
  setpgid(0, 0);
  ResetSignals();
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  CloseDescriptorsFrom(3);
  execle("/bin/sh", "sh", "-c", command.c_str(), nullptr, pairs.data());
  _exit(kCouldNotRun);
}

Status HookWorkload::Start(const CustodyWords& why) {
  if (hooks_.on_open.empty()) {
    state_ = State::kReady;
    return {};
  }
  LogInfo("hooks", "on-open: " + hooks_.on_open);
  running_ = TRY(Run(hooks_.on_open, why));
  state_ = State::kStarting;
  return {};
}

void HookWorkload::Stop(const CustodyWords& why) {
  if (state_ == State::kDown || state_ == State::kStopping) return;
  if (running_ != 0) kill(-running_, SIGTERM);  // on-open; what it has begun, on-seal ends
  running_ = 0;
  state_ = State::kDown;
  if (hooks_.on_seal.empty()) return;
  LogInfo("hooks", fmt::format("on-seal ({} {}): {}", why.state, why.reason, hooks_.on_seal));
  auto started = Run(hooks_.on_seal, why);
  if (!started.ok()) {
    LogError("hooks", "on-seal: " + started.error().message());
    return;
  }
  running_ = *started;
  state_ = State::kStopping;
  until_ = clock_.Boot() + stop_within_;
}

bool HookWorkload::Reaped(pid_t pid, int exit_code) {
  if (running_ == 0 || pid != running_) return false;
  running_ = 0;
  const bool opening = state_ == State::kStarting;
  if (exit_code != 0) {
    LogError("hooks",
             fmt::format("{} ended with code {}", opening ? "on-open" : "on-seal", exit_code));
  }
  state_ = opening ? State::kReady : State::kDown;
  // What a failed on-open has begun is ended as at a seal; the supervisor tries again later.
  if (opening && exit_code != 0) Stop({"open", "on-open-failed"});
  return true;
}

BootTime HookWorkload::Tick() {
  if (state_ != State::kStopping) return kNever;
  if (clock_.Boot() < until_) return until_;
  LogError("hooks",
           fmt::format("on-seal did not end within {}; killing it", FormatDuration(stop_within_)));
  kill(-running_, SIGKILL);
  until_ = kNever;
  return kNever;
}

}  // namespace freehold
