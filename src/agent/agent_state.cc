#include "agent/agent_state.h"

#include "api/node_fields.h"
#include "base/posix_file.h"

namespace freehold::agent {
namespace {

std::string PathOf(const std::string& directory) { return directory + "/desired"; }

}  // namespace

template <typename Archive>
void Fields(Archive& archive, AgentState& state) {
  archive("desired", state.desired);
  archive("heard_at", state.heard_at);
}

Result<AgentState> LoadAgentState(const std::string& directory) {
  const auto bytes = ReadRegularFile(PathOf(directory));
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return AgentState();
    return bytes.error();
  }
  return api::DecodeBody<AgentState>(AsText(*bytes), PathOf(directory));
}

Status SaveAgentState(const std::string& directory, const AgentState& state) {
  return ReplaceFile(PathOf(directory), AsBytes(api::EncodeBody(state)), 0600);
}

}  // namespace freehold::agent
