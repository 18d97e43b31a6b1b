#include "node/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "adapters/fuse/mount_point.h"
#include "base/log.h"
#include "fmt/format.h"
#include "node/namespace_init.h"
#include "node/sd_notify.h"

namespace freehold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kConnectInterval = milliseconds(50);
constexpr Duration kLongestBackOff = seconds(30);
constexpr Duration kHeldForAWhile = seconds(60);
constexpr Duration kPredecessor = seconds(10);
constexpr Duration kGuardianTime = seconds(10);
constexpr Duration kDaemonEnd = seconds(5);     // from its last word to its exit
constexpr Duration kUnmountTime = seconds(40);  // beyond the stop timeout: every step of a seal
constexpr BootTime kNever{Duration::max()};

// A second less than the daemon waits, so that it hears of the end before it kills by itself.
Duration StopWithin(Duration stop_timeout) {
  return std::max<Duration>(stop_timeout - seconds(1), stop_timeout / 2);
}

UniqueFd BlockAndCatchSignals() {
  sigset_t caught;
  sigemptyset(&caught);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&caught, number);
  sigprocmask(SIG_BLOCK, &caught, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::string TextOf(const CustodyWords& words) {
  return words.reason.empty() ? words.state : fmt::format("{} ({})", words.state, words.reason);
}

bool Retryable(int exit_code) {
  const bool killed = exit_code > 128;
  return killed || InfoOf(CodeOfExit(exit_code)).retryable;
}

}  // namespace

Duration BackOff::Next(BootTime now) {
  if (now - last_ > kHeldForAWhile + kLongestBackOff) Reset();
  last_ = now;
  const Duration wait = next_;
  next_ = std::min<Duration>(next_ * 2, kLongestBackOff);
  return wait;
}

Supervisor::Supervisor(SupervisorOptions options, std::unique_ptr<Workload> workload,
                       const Clock& clock)
    : options_(std::move(options)),
      custody_(options_.custody),
      workload_(std::move(workload)),
      clock_(clock),
      daemon_(options_.control_path, options_.daemon_arguments) {
  workload_->SetStopWithin(StopWithin(custody_.stop_timeout));
}

int Supervisor::Run() {
  signals_ = BlockAndCatchSignals();
  if (options_.adopts_orphans) prctl(PR_SET_CHILD_SUBREAPER, 1);
  first_tries_until_ = clock_.Boot() + kPredecessor;
  while (!finished_) {
    next_ = kNever;
    Step();
    DueAt(workload_->Tick());
    Announce();
    if (!finished_) WaitForEvents();
  }
  NotifyService("STATUS=ended");
  return exit_code_;
}

void Supervisor::WaitForEvents() {
  const Duration left = next_ == kNever ? Duration(seconds(3600)) : next_ - clock_.Boot();
  const auto ms =
      std::chrono::ceil<milliseconds>(std::clamp<Duration>(left, Duration(0), seconds(3600)));
  pollfd waiting[] = {{signals_.get(), POLLIN, 0},
                      {daemon_.watch_fd(), POLLIN, 0},
                      {daemon_.unmount_fd(), POLLIN, 0}};  // -1 is left out by poll
  poll(waiting, std::size(waiting), static_cast<int>(ms.count()));
  TakeSignals();
  TakeStatus();
}

void Supervisor::TakeSignals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD || stopping_) continue;
    LogInfo("run", "asked to stop");
    NotifyService("STOPPING=1\nSTATUS=stopping");
    stopping_ = true;
  }
  Reap();
}

void Supervisor::Reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);  // lint: one thread, nobody else reaps
    if (pid <= 0) return;
    const int exit_code = ExitCodeOf(status);
    if (daemon_.Reaped(pid)) {
      DaemonEnded(exit_code);
    } else if (workload_->Reaped(pid, exit_code)) {
      if (workload_->state() == Workload::State::kDown) WorkloadEnded();
    }
  }
}

void Supervisor::DaemonEnded(int exit_code) {
  const BootTime now = clock_.Boot();
  words_ = {"sealed", "daemon-died"};
  strangers_until_ = now + kGuardianTime;
  unmount_asked_ = stop_signal_sent_ = false;
  if (exit_code == 0 || stopping_) {  // unmounted: by us, or by somebody who asked it
    if (!stopping_) LogInfo("run", "the volume has been unmounted; ending");
    stopping_ = true;
    return;
  }
  const bool may_be_predecessor = Retryable(exit_code) && now < first_tries_until_;
  if (!ever_connected_ && !may_be_predecessor) {
    exit_code_ = exit_code;  // it has said why
    stopping_ = true;
    return;
  }
  const Duration wait = daemon_back_off_.Next(now);
  daemon_start_at_ = now + wait;
  LogError("run", fmt::format("the daemon ended with code {}; starting it again in {}", exit_code,
                              FormatDuration(wait)));
}

void Supervisor::WorkloadEnded() {
  if (daemon_.connected()) daemon_.ReportStopped();
  if (!IsOpen() || stopping_ || !daemon_.connected()) {
    workload_back_off_.Reset();
    workload_start_at_ = {};
    return;
  }
  const Duration wait = workload_back_off_.Next(clock_.Boot());
  workload_start_at_ = clock_.Boot() + wait;
  LogWarning("run", "starting it again in " + FormatDuration(wait));
}

void Supervisor::TakeStatus() {
  const std::vector<CustodyWords> seen = daemon_.ReadStatus();
  TakeSettings();
  for (const CustodyWords& words : seen) {
    if (words.state != words_.state) {
      LogInfo("run", "custody: " + TextOf(words));
    }
    words_ = words;
    // Said at every such status: an answer that came before the seal began does not count.
    if (words_.state == "sealing" && workload_->state() == Workload::State::kDown) {
      daemon_.ReportStopped();
    }
  }
}

// They count for the next start of the daemon too.
void Supervisor::TakeSettings() {
  if (!daemon_.settings().has_value() || *daemon_.settings() == custody_) return;
  custody_ = *daemon_.settings();
  workload_->SetStopWithin(StopWithin(custody_.stop_timeout));
}

void Supervisor::Step() {
  if (daemon_.running()) {
    StepWithDaemon();
  } else {
    StepWithoutDaemon();
  }
}

void Supervisor::StepWithDaemon() {
  const BootTime now = clock_.Boot();
  const bool was_connected = daemon_.connected();
  daemon_.Connect();
  if (daemon_.connected() && !was_connected) {
    ever_connected_ = true;
    TakeStatus();
  }
  if (daemon_.lost()) {  // it has closed its sockets and must end now
    if (end_daemon_at_ == kNever) end_daemon_at_ = now + kDaemonEnd;
    workload_->Kill({"sealed", "daemon-died"});
  } else if (!daemon_.connected()) {
    DueAt(now + kConnectInterval);
    if (stopping_ && !stop_signal_sent_) {
      stop_signal_sent_ = true;
      daemon_.Signal(SIGTERM);
      end_daemon_at_ = now + kUnmountTime;
    }
  } else if (stopping_) {
    StepUnmount();
  } else if (!IsOpen()) {
    workload_->Stop(words_);
  } else if (workload_->state() == Workload::State::kDown) {
    if (now >= workload_start_at_) StartWorkload();
    if (workload_->state() == Workload::State::kDown) DueAt(workload_start_at_);
  }
  if (now >= end_daemon_at_) {
    LogError("run", "the daemon does not end; killing it");
    daemon_.Signal(SIGKILL);
    end_daemon_at_ = kNever;
  }
  DueAt(end_daemon_at_);
}

void Supervisor::StartWorkload() {
  if (auto started = workload_->Start(words_); !started.ok()) {
    LogError("run", started.error().message());
    WorkloadEnded();
    return;
  }
  daemon_.ReportStarted(workload_->protected_pid());
}

void Supervisor::StepUnmount() {
  workload_->Stop({"sealing", "stopped"});
  if (workload_->state() != Workload::State::kDown) return;
  const BootTime now = clock_.Boot();
  if (!unmount_asked_) {
    unmount_asked_ = true;
    end_daemon_at_ = now + custody_.stop_timeout + kUnmountTime;
    daemon_.RequestUnmount(false);
  }
  const auto answer = daemon_.TakeUnmountAnswer();
  if (!answer.has_value()) return;
  if (answer->ok()) {
    end_daemon_at_ = now + kDaemonEnd;
  } else if (answer->error().code() == ErrorCode::kBusy) {
    LogWarning("run", answer->error().message() + "; sealing it all the same");
    daemon_.RequestUnmount(true);
  }
}

bool Supervisor::StrangersLeft() const {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// The order after a daemon's death: no process of the database, no guardian, no mount; then again.
void Supervisor::StepWithoutDaemon() {
  const BootTime now = clock_.Boot();
  workload_->Kill(words_);
  if (workload_->state() != Workload::State::kDown) return;
  if (options_.adopts_orphans && now < strangers_until_ && StrangersLeft()) {
    DueAt(strangers_until_);
    return;
  }
  if (!fuse::SourceOfMount(options_.mount_point).empty() && ever_connected_) {
    fuse::AbortMountPoint(options_.mount_point);
  }
  if (stopping_) {
    finished_ = true;
    return;
  }
  if (now < daemon_start_at_) return DueAt(daemon_start_at_);
  end_daemon_at_ = kNever;
  if (auto started = daemon_.Start(custody_); !started.ok()) {
    LogError("run", started.error().message());
    daemon_start_at_ = now + daemon_back_off_.Next(now);
    return DueAt(daemon_start_at_);
  }
  DueAt(now + kConnectInterval);
}

void Supervisor::Announce() {
  const bool ready = workload_->state() == Workload::State::kReady && IsOpen();
  if (ready && !ready_reported_ && daemon_.connected()) daemon_.ReportReady();
  ready_reported_ = ready;
  std::string text =
      fmt::format("STATUS=custody {}, {}", TextOf(words_), ready ? "running" : "not running");
  if (text == announced_) return;
  announced_ = text;
  if (ready && !ready_announced_) {
    ready_announced_ = true;
    text = "READY=1\n" + text;
  }
  NotifyService(text);
}

}  // namespace freehold
