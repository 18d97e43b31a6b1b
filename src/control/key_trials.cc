#include "control/key_trials.h"

#include <algorithm>
#include <thread>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr Duration kPatience = std::chrono::seconds(25);
// The store may be a database that another server writes to: it can only be asked again.
constexpr Duration kLookInterval = std::chrono::milliseconds(50);

// Each holds a thread of the server; the others are for those who do not wait. One customer, whose
// nodes may not answer, does not get all.
constexpr int kMostWaiting = 48;
constexpr int kMostOfOne = 12;

}  // namespace

bool IsForgotten(const TrialRecord& trial, WallTime now) {
  return now.since_epoch - trial.begun_at.since_epoch > 2 * kPatience;
}

Status KeyTrials::Put(std::vector<TrialRecord>& trials) {
  return store_.Change([&](Transaction& transaction) -> Status {
    for (const TrialRecord& trial : trials) {
      for (const auto& other :
           TRY(LoadAll<TrialRecord>(transaction, Kind::kKeyTrial, trial.node, {}))) {
        if (!IsForgotten(other, clock_.Wall())) continue;
        TRY(transaction.Remove(Kind::kKeyTrial, other.id));
      }
      TRY(transaction.Put(ToRecord(trial)));
    }
    return {};
  });
}

Result<bool> KeyTrials::AllAnswered(std::vector<TrialRecord>& trials) {
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    for (TrialRecord& trial : trials) {
      trial = TRY(Load<TrialRecord>(transaction, Kind::kKeyTrial, trial.id, "key trial"));
    }
    return {};
  }));
  return std::all_of(trials.begin(), trials.end(),
                     [](const TrialRecord& trial) { return trial.answer.has_value(); });
}

Result<std::vector<std::optional<api::TrialAnswer>>> KeyTrials::Answers(
    const std::vector<TrialWish>& wishes) {
  if (wishes.empty()) return std::vector<std::optional<api::TrialAnswer>>();
  const std::string& organization = wishes.front().external_id;
  TRY(Enter(organization));
  auto answers = Ask(wishes);
  const std::lock_guard lock(mutex_);
  --waiting_;
  if (--of_one_[organization] == 0) of_one_.erase(organization);
  return answers;
}

Status KeyTrials::Enter(const std::string& organization) {
  const std::lock_guard lock(mutex_);
  if (waiting_ >= kMostWaiting || of_one_[organization] >= kMostOfOne) {
    return Error(ErrorCode::kNotReady, "too many keys are being tried at once; try again later");
  }
  ++waiting_;
  ++of_one_[organization];
  return {};
}

Result<std::vector<std::optional<api::TrialAnswer>>> KeyTrials::Ask(
    const std::vector<TrialWish>& wishes) {
  std::vector<TrialRecord> trials;
  for (const TrialWish& wish : wishes) {
    trials.push_back({NewUuid(), wish.node, wish.spec, wish.external_id, clock_.Wall(), {}});
  }
  TRY(Put(trials));
  CrashPoint("trial.ordered");
  const BootTime deadline = clock_.Boot() + kPatience;
  Result<bool> answered = false;
  while (answered.ok() && !*answered && clock_.Boot() < deadline) {
    std::this_thread::sleep_for(kLookInterval);
    answered = AllAnswered(trials);
  }
  CrashPoint("trial.answered");
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    for (const TrialRecord& trial : trials) {
      TRY(transaction.Remove(Kind::kKeyTrial, trial.id));
    }
    return {};
  }));
  TRY(std::move(answered));
  std::vector<std::optional<api::TrialAnswer>> answers;
  for (TrialRecord& trial : trials) {
    if (trial.answer.has_value()) trial.answer->message = Printable(trial.answer->message);
    answers.push_back(std::move(trial.answer));
  }
  return answers;
}

Status KeyTrials::Try(const std::vector<TrialWish>& wishes) {
  const auto answers = TRY(Answers(wishes));
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const TrialWish& wish = wishes[i];
    const std::string which = fmt::format("region '{}': the {}key {}", wish.region,
                                          wish.is_present ? "present " : "", wish.spec.uri);
    if (!answers[i].has_value()) {
      return Error(ErrorCode::kNotReady,
                   fmt::format("{} could not be tried: the node did not answer in {} s", which,
                               std::chrono::seconds(kPatience / std::chrono::seconds(1)).count()));
    }
    if (!answers[i]->usable) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} cannot be used: {}", which, answers[i]->message));
    }
  }
  return {};
}

std::vector<TrialWish> WishesFor(const std::vector<api::RegionSpec>& specs,
                                 const std::vector<NodeState>& nodes,
                                 const std::string& external_id, bool is_present) {
  std::vector<TrialWish> wishes;
  for (const api::RegionSpec& spec : specs) {
    const auto node = std::find_if(nodes.begin(), nodes.end(), [&](const NodeState& one) {
      return one.region == spec.region && one.connected;
    });
    if (node == nodes.end()) continue;
    wishes.push_back({node->node, spec.region, spec.key_spec, external_id, is_present});
  }
  return wishes;
}

}  // namespace freehold::control
