#include "api/node.h"

#include <array>

#include "api/node_fields.h"

namespace freehold::api {

std::string_view NameOf(NodeGoal goal) {
  static constexpr std::array<std::string_view, kNodeGoalCount> kNames = {"idle", "open", "stopped",
                                                                          "revoked"};
  return kNames[static_cast<std::size_t>(goal)];
}

std::string Encode(const DesiredState& state) { return EncodeBody(state); }
std::string Encode(const NodeReport& report) { return EncodeBody(report); }

Result<DesiredState> DecodeDesiredState(std::string_view text) {
  return DecodeBody<DesiredState>(text, "a desired state");
}

Result<NodeReport> DecodeNodeReport(std::string_view text) {
  return DecodeBody<NodeReport>(text, "a node's report");
}

}  // namespace freehold::api
