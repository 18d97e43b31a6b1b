// RateLimit: so many requests a second for each caller, with a burst of as many.
//
// Keeps one number for a caller, and forgets callers that have been quiet. Threads: safe.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace freehold::server {

class RateLimit {
 public:
  RateLimit(int per_second, const Clock& clock)
      : spacing_(Duration(std::chrono::seconds(1)) / per_second),
        burst_(spacing_ * per_second),
        clock_(clock) {}

  // Zero: go on. Otherwise how long to wait before the next request.
  Duration Take(const std::string& caller);

 private:
  const Duration spacing_;
  const Duration burst_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, BootTime> next_;  // when the next request would be due at an even pace
};

}  // namespace freehold::server
