// Agent: the loop of a node: what is wanted, what there is, one step, again.
//
// A process without keys. It may be killed at any point: what it was told is on the disk, what it
// did is on the volume, and the next one goes on; the database runs on meanwhile. Without its
// server it goes on too, under the volume's own lease; only opening takes the server's word, not
// older than the customer's `open_grant`. A revoke is obeyed in the moment it is heard, whatever
// else is under way. Errors: Run() ends with the first that no retry can mend. Threads: Run() is
// the loop. Spec: docs/api/agents.md.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/agent_state.h"
#include "agent/server_link.h"
#include "agent/volume_host.h"
#include "base/stop_signal.h"

namespace freehold::agent {

struct AgentOptions {
  std::string state_directory;
};

class Agent {
 public:
  Agent(AgentOptions options, VolumeHost& host, const Clock& clock)
      : options_(std::move(options)), host_(host), clock_(clock) {}

  // Until the stop signal; then the database and the volume are stopped, in order.
  Status Run(Identity identity, StopSignal& stop);

 private:
  void Take(const api::DesiredState& desired, const std::optional<Answered>& answered);
  void KeepState();
  // What may take its time beside the loop: trials of keys, and probes that are asked for.
  void RunTrials(const std::stop_token& stop);
  void Recheck(std::uint64_t order);
  void Report(const api::DesiredState& desired, const Observed& observed);
  bool StepOnce();
  std::string ProblemOf(const Status& done);

  const AgentOptions options_;
  VolumeHost& host_;
  const Clock& clock_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  AgentState state_;
  bool is_kept_ = true;  // state_ is on the disk
  WallTime kept_at_;     // the heard_at that is there
  bool heard_ = false;   // something new since the loop last looked
  std::vector<api::KeyTrial> trials_;
  std::set<std::string> trials_known_;
  std::uint64_t rechecked_ = 0;  // the order to probe that was obeyed last, and what came of it
  std::string recheck_problem_;
  bool recheck_heard_ = false;  // which the loop is to report

  std::unique_ptr<ServerLink> link_;
  // The loop's own.
  std::string instance_;
  std::string problem_;
  Duration wait_{};  // before a step that failed is tried again
  BootTime next_step_{};
  std::optional<BootTime> failing_since_;
};

}  // namespace freehold::agent
