// ServerLink: the agent's talk with its server: reports that are answered, and events that come by
// themselves.
//
// Two threads: one follows the events and comes back after every end, at random within what it
// waits, so that a server that starts again is not met by all at once; one sends the newest report
// when it is new, and at least every 30 s. Whatever the server says goes to `take`, from these
// threads. A server that is away is no error: the node goes on. Threads: safe.
// Spec: docs/api/agents.md.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/enrolment.h"
#include "agent/reconcile.h"
#include "api/node.h"

namespace freehold::agent {

// With what the report said that it answers; nothing for an event.
using TakeDesired =
    std::function<void(const api::DesiredState&, const std::optional<Answered>& answered)>;

class ServerLink {
 public:
  ServerLink(std::string state_directory, Identity identity, const Clock& clock, TakeDesired take);
  ~ServerLink();

  // Sent as soon as it can be when it says something new. Answers to trials go once.
  void Report(api::NodeReport report);
  void Answer(api::TrialAnswer answer);
  // The server does not know this node any more, or has removed it.
  bool refused() const;

 private:
  void Follow(const std::stop_token& stop);
  void SendReports(const std::stop_token& stop);
  Status SendOne(const api::NodeReport& report);
  void ReportAgain();
  void RenewWhenDue();
  Identity CurrentIdentity() const;
  bool Sleep(const std::stop_token& stop, Duration duration);

  const std::string state_directory_;
  const Clock& clock_;
  const TakeDesired take_;

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  Identity identity_;
  std::optional<api::NodeReport> report_;
  std::vector<api::TrialAnswer> answers_;
  bool is_new_ = false;
  bool refused_ = false;
  std::jthread events_;
  std::jthread reports_;
};

}  // namespace freehold::agent
