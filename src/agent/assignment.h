// Assignment: which cluster a volume belongs to and what it was last told, kept on the volume
// itself, so that neither another agent nor another server takes it for something else.
//
// DIR/freehold/assignment, JSON, no secrets. Errors: kIo and kin. Threads: values.
#pragma once

#include <optional>
#include <string>

#include "api/node.h"
#include "node/volume_paths.h"

namespace freehold::agent {

struct Assignment {
  std::string organization;
  std::string cluster;
  std::string cluster_name;
  std::uint64_t fencing = 0;        // the highest that was obeyed
  std::optional<api::KeySpec> key;  // as it was ordered when the KEK was last wrapped
  bool customers = false;           // its KEK was never under another key than a customer's
  std::uint64_t rewraps = 0;        // up to which orders to wrap anew were followed
  std::uint64_t rekeys = 0;         // likewise
  std::uint64_t reencrypts = 0;
  std::uint64_t opens = 0;
  std::string renewing =
      {};  // the step for new keys that was begun, and the KEK's id before; "" = none
};

Result<std::optional<Assignment>> LoadAssignment(const VolumePaths& paths);
Status SaveAssignment(const VolumePaths& paths, const Assignment& assignment);

}  // namespace freehold::agent
