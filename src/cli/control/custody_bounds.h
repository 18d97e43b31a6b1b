// The operator's bounds of custody terms, as people write and read them.
//
// Errors: kInvalidArgument with one sentence. Threads: values. Spec: docs/api/custody.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace freehold::cli {

// Of "check_interval=10s..5m", "outage_grace=..1h", "on_denied=seal"; "none" alone: no bounds.
Result<boost::json::object> CustodyBoundsOf(const std::vector<std::string>& texts);
// "check_interval 10s to 5m, on_denied seal"
std::string CustodyBoundsText(const boost::json::object& bounds);

}  // namespace freehold::cli
