// The manifest of a cluster's keys: {"region_specs": [...]}, as JSON or as YAML.
//
// What is in it, the server judges; this reads the file, and writes one to fill in. Errors:
// kInvalidArgument, and those of files. Threads: safe. Spec: docs/api/cmek.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace freehold::cli {

// "-" is standard input. A file that begins with '{' is JSON, any other YAML.
Result<boost::json::object> ReadManifest(const std::string& path);

// With a place to fill in for each region; `type` is a KmsType's name. As YAML, or as JSON.
Result<std::string> EmptyManifest(const std::string& type, const std::vector<std::string>& regions,
                                  bool json);

}  // namespace freehold::cli
