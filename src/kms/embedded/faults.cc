#include "kms/embedded/faults.h"

#include <algorithm>

namespace freehold::embedded {
namespace {

void Join(Fault& into, const Fault& fault) {
  into.latency = std::max(into.latency, fault.latency);
  into.throttle |= fault.throttle;
  into.fail |= fault.fail;
  into.unreachable |= fault.unreachable;
}

}  // namespace

void Faults::Add(const std::string& operation, const Fault& fault) {
  const std::lock_guard lock(mutex_);
  Join(by_operation_[operation], fault);
}

void Faults::SetClockSkew(Duration skew) {
  const std::lock_guard lock(mutex_);
  clock_skew_ = skew;
}

void Faults::Clear() {
  const std::lock_guard lock(mutex_);
  by_operation_.clear();
  clock_skew_ = {};
  ++clearings_;
  cleared_.notify_all();
}

void Faults::Wait(Duration latency) {
  if (latency <= Duration::zero()) return;
  std::unique_lock lock(mutex_);
  const std::uint64_t before = clearings_;
  cleared_.wait_for(lock, latency, [&] { return clearings_ != before; });
}

Fault Faults::For(const std::string& operation) const {
  const std::lock_guard lock(mutex_);
  Fault all;
  for (const auto& name : {std::string(), operation}) {
    const auto found = by_operation_.find(name);
    if (found != by_operation_.end()) Join(all, found->second);
  }
  return all;
}

Duration Faults::clock_skew() const {
  const std::lock_guard lock(mutex_);
  return clock_skew_;
}

}  // namespace freehold::embedded
