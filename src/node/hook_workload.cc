#include "node/hook_workload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "fmt/format.h"
#include "node/namespace_init.h"

namespace freehold {
namespace {

constexpr BootTime kNever{Duration::max()};

}  // namespace

Result<pid_t> HookWorkload::Run(const std::string& command, const CustodyWords& why) const {
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
  setenv("FREEHOLD_MOUNT", hooks_.mount.c_str(), 1);
  setenv("FREEHOLD_VOLUME", hooks_.volume.c_str(), 1);
  setenv("FREEHOLD_STATE", why.state.c_str(), 1);
  setenv("FREEHOLD_REASON", why.reason.c_str(), 1);
  execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
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
