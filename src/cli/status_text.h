// The JSON of status and verify, for people.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace freehold::cli {

std::string StatusText(const boost::json::object& status);
std::string VerifyText(const boost::json::object& report);

}  // namespace freehold::cli
