// Faults: what a test makes the KMS do wrong on purpose. Forgotten when the process ends.
//
// Knows names of operations, nothing of what they do. Threads: safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace freehold::embedded {

struct Fault {
  Duration latency{};        // before the answer
  bool throttle = false;     // ThrottlingException
  bool fail = false;         // KMSInternalException, HTTP 500
  bool unreachable = false;  // the connection is closed without an answer
};

class Faults {
 public:
  // For one operation ("Decrypt"), or for all when it is "". Adds to what is set already.
  void Add(const std::string& operation, const Fault& fault);
  void SetClockSkew(Duration skew);
  void Clear();

  // What applies to an operation: its own faults and those of all.
  Fault For(const std::string& operation) const;
  Duration clock_skew() const;

  // Waits that long, or until the faults are cleared.
  void Wait(Duration latency);

 private:
  mutable std::mutex mutex_;
  std::condition_variable cleared_;
  std::uint64_t clearings_ = 0;
  std::map<std::string, Fault> by_operation_;
  Duration clock_skew_{};
};

}  // namespace freehold::embedded
