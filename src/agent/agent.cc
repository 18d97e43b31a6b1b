#include "agent/agent.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/log.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::agent {
namespace {

constexpr Duration kLookInterval = std::chrono::seconds(1);
constexpr Duration kBusyInterval = std::chrono::milliseconds(100);
constexpr Duration kFirstWait = std::chrono::seconds(1);
constexpr Duration kLongestWait = std::chrono::seconds(30);
// An outage that passes is nobody's business but the node's.
constexpr Duration kOutage = std::chrono::seconds(60);
constexpr Duration kClockSlack = std::chrono::minutes(5);
constexpr std::size_t kMostTrialsKnown = 1000;
constexpr std::size_t kMostTrialsWaiting = 100;
constexpr Duration kKeepInterval = std::chrono::seconds(60);

bool IsOnTheMove(const Observed& observed) {
  return observed.starting || observed.custody == "sealing" || observed.custody == "opening" ||
         observed.database == "starting";
}

}  // namespace

// What could not be kept is tried again at every look.
void Agent::KeepState() {
  const Status kept = SaveAgentState(options_.state_directory, state_);
  if (!kept.ok() && is_kept_) LogError("agent", kept.error().message());
  is_kept_ = kept.ok();
  kept_at_ = state_.heard_at;
}

void Agent::Take(const api::DesiredState& desired, const std::optional<Answered>& answered) {
  bool is_revoke = false;
  {
    const std::lock_guard lock(mutex_);
    if (!Obeys(state_.desired, desired, answered)) return;
    const bool is_new = api::Encode(state_.desired) != api::Encode(desired);
    const WallTime now = clock_.Wall();
    const bool is_old = now.since_epoch - kept_at_.since_epoch >= kKeepInterval;
    is_revoke =
        desired.goal == api::NodeGoal::kRevoked && state_.desired.goal != api::NodeGoal::kRevoked;
    state_.desired = desired;
    state_.heard_at = now;
    if (is_new) CrashPoint("order.heard");
    if (is_new || is_old) KeepState();
    if (is_new) CrashPoint("order.kept");
    if (is_new) {
      heard_ = true;
      wait_ = {};
      LogInfo("agent", fmt::format("cluster {}: {} (revision {})",
                                   desired.cluster.empty() ? "none" : Printable(desired.cluster),
                                   NameOf(desired.goal), desired.revision));
    }
    if (trials_known_.size() > kMostTrialsKnown) trials_known_.clear();
    for (const api::KeyTrial& trial : desired.trials) {
      if (trials_.size() >= kMostTrialsWaiting) break;  // those that are left are told again
      if (trials_known_.insert(trial.id).second) trials_.push_back(trial);
    }
    wake_.notify_all();
  }
  if (!is_revoke) return;
  // Not in the loop, which may be in the middle of something else.
  if (auto sealed = host_.SealNow(); !sealed.ok()) LogWarning("agent", sealed.error().message());
  CrashPoint("revoke.sealed");
}

void Agent::RunTrials(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    api::KeyTrial trial;
    std::string cluster;
    std::uint64_t order = 0;
    {
      std::unique_lock lock(mutex_);
      const auto is_due = [this] { return state_.desired.rechecks != rechecked_; };
      if (!wake_.wait(lock, stop, [&] { return !trials_.empty() || is_due(); })) return;
      if (is_due()) {
        order = state_.desired.rechecks;
      } else {
        trial = trials_.front();
        trials_.erase(trials_.begin());
        cluster = state_.desired.cluster;
      }
    }
    if (trial.id.empty()) {
      Recheck(order);
    } else {
      api::TrialAnswer answer = host_.Try(trial, cluster);
      CrashPoint("trial.tried");
      link_->Answer(std::move(answer));
    }
  }
}

void Agent::Recheck(std::uint64_t order) {
  std::string problem = order == 0 ? "" : host_.Recheck();  // 0: a new cluster's beginning
  const std::lock_guard lock(mutex_);
  rechecked_ = order;
  recheck_problem_ = std::move(problem);
  recheck_heard_ = true;
  wake_.notify_all();
}

void Agent::Report(const api::DesiredState& desired, const Observed& observed) {
  api::NodeReport report = ReportOf(desired, observed, problem_);
  report.instance = instance_;
  {
    const std::lock_guard lock(mutex_);
    report.rechecks = rechecked_;
    report.recheck_problem = recheck_problem_;
  }
  link_->Report(std::move(report));
}

std::string Agent::ProblemOf(const Status& done) {
  if (done.ok()) {
    failing_since_.reset();
    wait_ = {};
    next_step_ = {};
    return "";
  }
  const BootTime now = clock_.Boot();
  if (!failing_since_.has_value()) failing_since_ = now;
  wait_ = std::clamp<Duration>(wait_ * 2, kFirstWait, kLongestWait);
  next_step_ = now + wait_;
  LogWarning("agent", done.error().message());
  const bool may_pass = InfoOf(done.error().code()).retryable;
  return may_pass && now - *failing_since_ < kOutage ? "" : done.error().message();
}

// True when there is more to do soon.
bool Agent::StepOnce() {
  api::DesiredState desired;
  bool may_open = false;
  {
    const std::lock_guard lock(mutex_);
    desired = state_.desired;
    const Duration age = clock_.Wall().since_epoch - state_.heard_at.since_epoch;
    const Duration open_grant = host_.TermsFor(desired).open_grant;
    may_open = age <= open_grant && age >= -kClockSlack;  // a clock that was set back
    if (std::exchange(heard_, false)) next_step_ = {};
    recheck_heard_ = false;
    if (!is_kept_) KeepState();
  }
  const Observed observed = host_.Look();
  const Decision decision = Decide(desired, observed, may_open);
  const bool is_due = clock_.Boot() >= next_step_;
  if (decision.step == Step::kNothing) {
    problem_ = decision.problem;
    if (problem_.empty()) failing_since_.reset();
  } else if (is_due) {
    LogInfo("agent", fmt::format("step: {}", NameOf(decision.step)));
    CrashPoint("step.decided");
    problem_ = ProblemOf(host_.Do(decision.step, desired));
    CrashPoint("step.done");
    Report(desired, host_.Look());
    return problem_.empty();
  }
  Report(desired, observed);
  return IsOnTheMove(observed);
}

Status Agent::Run(Identity identity, StopSignal& stop) {
  state_ = TRY(LoadAgentState(options_.state_directory));
  kept_at_ = state_.heard_at;
  instance_ = NewUuid();
  link_ = std::make_unique<ServerLink>(
      options_.state_directory, std::move(identity), clock_,
      [this](const api::DesiredState& desired, const std::optional<Answered>& answered) {
        Take(desired, answered);
      });
  std::jthread trials([this](const std::stop_token& token) { RunTrials(token); });
  while (!stop.WaitFor(std::chrono::seconds(0))) {
    const bool is_busy = StepOnce();
    if (link_->refused()) {
      LogWarning("agent", "the server does not know this node; it goes on with what it was told");
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, is_busy ? kBusyInterval : kLookInterval,
                   [this] { return heard_ || recheck_heard_; });
  }
  LogInfo("agent", "asked to stop");
  return host_.Stop();
}

}  // namespace freehold::agent
