// Waiting for what a change has begun: asks for one thing until it is as wanted or cannot become
// so.
//
// What is in the way for a while (no answer, 5xx, 429) does not end the wait. Errors: kTimeout, and
// what `is_reached` returns. Threads: main only. Spec: docs/api/cli.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>

#include "base/clock.h"
#include "cli/control/api_client.h"

namespace freehold::cli {

struct WaitedFor {
  std::function<std::string(const boost::json::object&)> progress;  // what a person sees
  std::function<Result<bool>(const boost::json::object&)> is_reached;
};

// The last answer of GET `path`. Progress goes to standard error: on a terminal one line that is
// written again and again, elsewhere a line for each change.
Result<ApiAnswer> WaitFor(ApiClient& api, const std::string& path, const WaitedFor& wanted,
                          Duration at_most);

// What --timeout says.
Result<Duration> ParseTimeout(const std::string& text);

}  // namespace freehold::cli
