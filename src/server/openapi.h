// The OpenAPI document of a table of routes. Threads: safe. Spec: OpenAPI 3.1, JSON Schema 2020-12.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "server/route.h"

namespace freehold::server {

boost::json::object OpenApiOf(const std::vector<Route>& routes);

// For people: indented, a line for each value.
std::string PrettyJson(const boost::json::value& value);

}  // namespace freehold::server
