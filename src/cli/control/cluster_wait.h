// What is waited for when a cluster was made, grown, started or stopped; see wait.h.
//
// Errors: kPrecondition when it was asked for something else meanwhile. Threads: main only.
#pragma once

#include <string_view>

#include "cli/control/wait.h"

namespace freehold::cli {

// Of GET /api/v1/clusters/ID: until it is in the wanted state.
WaitedFor StateIs(std::string_view wanted, std::string_view on_the_way);

// Of GET /api/v1/clusters/ID/nodes: until every region of `cluster` has all its nodes, open and
// with their database ready.
WaitedFor NodesAreUp(const boost::json::object& cluster);

}  // namespace freehold::cli
