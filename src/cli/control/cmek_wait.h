// Waiting for what a change of keys has begun, as wait.h has it.
//
// Errors further: kPrecondition for a *_FAILED and for a status that leads elsewhere, with the
// KMS's words. Threads: main only. Spec: docs/api/cmek.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "base/clock.h"
#include "cli/control/api_client.h"

namespace freehold::cli {

enum class CmekGoal {
  kEnabled,   // of an enable and of a rotation
  kRevoked,   // every node has confirmed it
  kRestored,  // enabled, and no node that has reported is sealed any more
  kLeft,      // no customer-managed key is in use
};

enum class CmekProgress { kGoesOn, kReached, kFailed };

CmekProgress ProgressOf(const boost::json::object& info, CmekGoal goal);

// "us-east-1 ENABLING, eu-west-1 ENABLED": what a person sees while it goes on.
std::string ProgressText(const boost::json::object& info);

// `path` is the cluster's cmek. The last answer.
Result<ApiAnswer> WaitForCmek(ApiClient& api, const std::string& path, CmekGoal goal,
                              Duration at_most);

}  // namespace freehold::cli
