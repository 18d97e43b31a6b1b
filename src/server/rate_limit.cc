#include "server/rate_limit.h"

#include <algorithm>

namespace freehold::server {
namespace {

constexpr std::size_t kManyCallers = 10'000;

}  // namespace

Duration RateLimit::Take(const std::string& caller) {
  std::lock_guard lock(mutex_);
  const BootTime now = clock_.Boot();
  if (next_.size() > kManyCallers) {
    std::erase_if(next_, [&](const auto& entry) { return entry.second < now; });
  }
  BootTime& next = next_[caller];
  next = std::max(next, now);
  const Duration ahead = next - now;
  if (ahead + spacing_ > burst_) return ahead + spacing_ - burst_;
  next = next + spacing_;
  return Duration(0);
}

}  // namespace freehold::server
