// KeyTrials: has nodes try a customer's key before a change relies on it.
//
// A trial is a record of the store that its node is told of and answers; whichever server the
// answer comes to, the one that asked finds it. Errors: kInvalidArgument names the region, the key
// and what is missing; kNotReady when a node does not answer, or too
// many trials are under way. Threads: safe; Try blocks.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

struct TrialWish {
  std::string node;
  std::string region;
  api::KeySpec spec;
  std::string external_id;  // the organization
  bool is_present = false;  // the key that is in use now
};

// Nobody waits for its answer any more: its server died.
bool IsForgotten(const TrialRecord& trial, WallTime now);

class KeyTrials {
 public:
  KeyTrials(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // All of them are usable, or the first that is not in the order of the wishes. Takes 25 seconds
  // at most.
  Status Try(const std::vector<TrialWish>& wishes);
  // What each node answered, in the order of the wishes; nothing of one that did not in that time.
  Result<std::vector<std::optional<api::TrialAnswer>>> Answers(
      const std::vector<TrialWish>& wishes);

 private:
  // Takes one of the places; kNotReady when none is left.
  Status Enter(const std::string& organization);
  Result<std::vector<std::optional<api::TrialAnswer>>> Ask(const std::vector<TrialWish>& wishes);
  Status Put(std::vector<TrialRecord>& trials);
  Result<bool> AllAnswered(std::vector<TrialRecord>& trials);

  Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  int waiting_ = 0;
  std::map<std::string, int> of_one_;  // by organization
};

// One connected node for each of these regions, that a key can be tried from.
std::vector<TrialWish> WishesFor(const std::vector<api::RegionSpec>& specs,
                                 const std::vector<NodeState>& nodes,
                                 const std::string& external_id, bool is_present);

}  // namespace freehold::control
