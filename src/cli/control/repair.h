// What to type next when a region's data cannot be read, or will not be for long.
//
// From what the API says alone: no call, no clock. Everything that others have named is quoted for
// a shell. Errors: none. Threads: any. Spec: docs/api/cli.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

namespace freehold::cli {

// `cluster`, one of its regions of the cmek, and what that region's nodes last said: each as the
// API has it. Commands in their order, with what is to be known after a #; none when nothing is
// amiss.
std::vector<std::string> RepairsOf(const boost::json::object& cluster,
                                   const boost::json::object& region,
                                   const boost::json::array& nodes);

}  // namespace freehold::cli
