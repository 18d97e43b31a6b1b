// What an agent keeps over a restart beside its identity: the newest order, and when the server
// last spoke.
//
// DIR/desired, JSON. An order to revoke is here before anybody is told that it was heard. Errors:
// kIo and kin. Threads: values.
#pragma once

#include <string>

#include "api/node.h"
#include "base/clock.h"

namespace freehold::agent {

struct AgentState {
  api::DesiredState desired;
  WallTime heard_at;  // the server's newest word
};

// What a host that has never heard anything knows: nothing.
Result<AgentState> LoadAgentState(const std::string& state_directory);
Status SaveAgentState(const std::string& state_directory, const AgentState& state);

}  // namespace freehold::agent
