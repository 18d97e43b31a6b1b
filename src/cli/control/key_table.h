// A cluster's keys as a person reads them. Threads: main only.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

namespace freehold::cli {

// Of the answer of a cluster's cmek: each region with its present key, and with `past` the others.
void PrintKeys(const boost::json::object& info, bool past);
// The same without what nodes and the KMS said.
void PrintKeyRows(const boost::json::object& info, bool past);

// "us-east-1, eu-west-1"
std::string RegionNames(const boost::json::object& info);

}  // namespace freehold::cli
