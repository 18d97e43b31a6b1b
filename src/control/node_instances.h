// Whether one node is one host: from the names that its agent's processes take.
//
// A restart goes from one name to another and never back. So a process that reports again after
// another one followed it is a second host with the node's identity: a copy of its disk, perhaps
// with the volume on it. One report may have been on its way when the other process began; two
// cannot: an agent sends its next when the last was answered. What was seen stays until the node is
// removed. Two that have one name (a machine that was copied while it ran), and a copy that never
// reports, are not seen. No I/O. Threads: values. Spec: docs/api/agents.md.
#pragma once

#include "control/model.h"

namespace freehold::control {

// Takes in the name that a report came under; "" says nothing.
void TakeInstance(NodeInstances& instances, const std::string& name, WallTime now);

bool IsDuplicated(const NodeState& node);
// One sentence: why the node cannot do what is wanted of it; "" = nothing.
std::string ProblemOf(const NodeState& node);

}  // namespace freehold::control
