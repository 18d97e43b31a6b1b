#include "control/node_instances.h"

#include <algorithm>

namespace freehold::control {
namespace {

constexpr std::size_t kMostNames = 64;
constexpr std::size_t kLongestInstance = 64;

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void Add(std::vector<std::string>& names, const std::string& name) {
  if (names.size() == kMostNames) names.erase(names.begin());
  names.push_back(name);
}

}  // namespace

void TakeInstance(NodeInstances& instances, const std::string& name, WallTime now) {
  if (name.empty() || name.size() > kLongestInstance || name == instances.current) return;
  if (!Has(instances.past, name)) {
    if (!instances.current.empty()) Add(instances.past, instances.current);
    instances.current = name;
    return;
  }
  if (instances.duplicated_at.has_value()) return;
  if (Has(instances.late, name)) {
    instances.duplicated_at = now;
  } else {
    Add(instances.late, name);
  }
}

bool IsDuplicated(const NodeState& node) { return node.instances.duplicated_at.has_value(); }

std::string ProblemOf(const NodeState& node) {
  if (!IsDuplicated(node)) return node.problem;
  return "two hosts have this node's identity; end the copy, remove the node as duplicated, and "
         "let "
         "its host join anew";
}

}  // namespace freehold::control
