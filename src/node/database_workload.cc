#include "node/database_workload.h"

#include <signal.h>

#include "base/log.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "node/database_process.h"

namespace freehold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kBetweenChecks = milliseconds(250);
constexpr Duration kCheckTimeout = seconds(10);
constexpr Duration kSlowStart = seconds(60);
constexpr Duration kReapTimeout = seconds(5);
constexpr BootTime kNever{Duration::max()};

std::string FailureOf(const NamespacedTree& tree) {
  auto text = ReadUntilEnd(tree.failure.get(), 4096);
  return text.ok() ? std::string(AsText(*text)) : "";
}

}  // namespace

Status DatabaseWorkload::Start(const CustodyWords&) {
  const NamespacePlaces places{plan_.private_tmpfs, plan_.tmpfs_size, {plan_.mount}};
  tree_ = TRY(StartInNamespaces(places, [this] { return BecomeDatabase(plan_, user_); }));
  state_ = State::kStarting;
  killed_ = reported_ = false;
  started_ = clock_.Boot();
  next_check_ = started_ + kBetweenChecks;
  LogInfo(plan_.name, fmt::format("starting version {} as {} (init process {})", plan_.version,
                                  user_.name, tree_->init));
  return {};
}

void DatabaseWorkload::Stop(const CustodyWords& why) {
  if (state_ == State::kDown || state_ == State::kStopping) return;
  LogInfo(plan_.name, fmt::format("stopping: {} {}", why.state, why.reason));
  EndHelper();
  state_ = State::kStopping;
  kill_at_ = clock_.Boot() + stop_within_;
  if (!plan_.stop.empty()) RunBeside(plan_.stop, stop_within_);
  if (plan_.stop.empty() || helper_ == 0) (void)SignalMain(*tree_, plan_.stop_signal);
}

void DatabaseWorkload::Kill(const CustodyWords& why) {
  if (state_ == State::kDown || killed_) return;
  LogWarning(plan_.name, fmt::format("killing it: {} {}", why.state, why.reason));
  KillTree();
}

void DatabaseWorkload::KillTree() {
  EndHelper();
  kill(tree_->init, SIGKILL);
  state_ = State::kStopping;
  killed_ = true;
  reported_ = false;
  kill_at_ = clock_.Boot() + kReapTimeout;
}

void DatabaseWorkload::RunBeside(const CommandLine& command, Duration within) {
  auto started = StartBeside(tree_->init, [&] { return BecomeCommand(plan_, user_, command); });
  if (!started.ok()) {
    LogWarning(plan_.name, started.error().message());
    return;
  }
  helper_ = *started;
  helper_until_ = clock_.Boot() + within;
}

void DatabaseWorkload::EndHelper() {
  if (helper_ != 0) kill(helper_, SIGKILL);
  helper_ = 0;  // reaped by the loop like any other child
}

bool DatabaseWorkload::Reaped(pid_t pid, int exit_code) {
  if (tree_.has_value() && pid == tree_->init) {
    TreeEnded(exit_code);
    return true;
  }
  if (helper_ == 0 || pid != helper_) return false;
  HelperEnded(exit_code);
  return true;
}

void DatabaseWorkload::TreeEnded(int exit_code) {
  const std::string failure = FailureOf(*tree_);
  EndHelper();
  tree_.reset();
  if (!failure.empty()) {
    LogError(plan_.name, "could not start: " + failure);
  } else if (state_ == State::kStopping) {
    LogInfo(plan_.name, killed_ ? "killed, all processes reaped" : "stopped");
  } else {
    LogError(plan_.name, fmt::format("ended by itself with code {}; its last words are in {}",
                                     exit_code, plan_.log));
  }
  state_ = State::kDown;
}

void DatabaseWorkload::HelperEnded(int exit_code) {
  helper_ = 0;
  if (state_ == State::kStarting) {
    next_check_ = clock_.Boot() + kBetweenChecks;
    if (exit_code != 0) return;
    state_ = State::kReady;
    LogInfo(plan_.name, "ready after " + FormatDuration(clock_.Boot() - started_));
  } else if (state_ == State::kStopping && !killed_ && exit_code != 0) {
    LogWarning(plan_.name, fmt::format("the stop command failed ({})", exit_code));
    (void)SignalMain(*tree_, plan_.stop_signal);
  }
}

BootTime DatabaseWorkload::Tick() {
  const BootTime now = clock_.Boot();
  if (helper_ != 0 && now >= helper_until_) {
    kill(helper_, SIGKILL);
    helper_until_ = kNever;
  }
  if (state_ == State::kStarting) {
    if (helper_ == 0 && now >= next_check_) RunBeside(plan_.ready, kCheckTimeout);
    if (!reported_ && now - started_ > kSlowStart) {
      reported_ = true;
      LogWarning(plan_.name, fmt::format("not ready after {}; its log is {}",
                                         FormatDuration(kSlowStart), plan_.log));
    }
    if (helper_ == 0) next_check_ = std::max(next_check_, now + kBetweenChecks);
    return helper_ != 0 ? helper_until_ : next_check_;
  }
  if (state_ != State::kStopping) return kNever;
  if (now < kill_at_) return kill_at_;
  if (!killed_) {
    LogWarning(plan_.name,
               fmt::format("did not stop within {}; killing it", FormatDuration(stop_within_)));
    KillTree();
    return kill_at_;
  }
  if (!reported_) {
    reported_ = true;
    LogError(plan_.name, fmt::format("these processes cannot be reaped: {}",
                                     fmt::join(ProcessesBelow(tree_->init), ", ")));
  }
  return kNever;
}

}  // namespace freehold
