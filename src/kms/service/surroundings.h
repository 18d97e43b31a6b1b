// Surroundings: what a provider is handed from outside, so that tests need no setenv and no
// sleeping.
//
// Environment, clock, time-outs, pauses between two tries. Threads: safe, if its functions are.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kms/key_provider.h"

namespace freehold {

// A variable's value; unset and empty are the same.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment ProcessEnvironment();

void PauseThread(Duration duration);

struct Surroundings {
  Environment environment = ProcessEnvironment();
  const Clock* clock = &SystemClock();
  KmsTimeouts timeouts;
  std::function<void(Duration)> pause = PauseThread;  // between two tries

  std::string Variable(const std::string& name) const { return environment(name).value_or(""); }
};

// How long to wait before try `next` (2, 3, ...): longer each time, and never the same for all.
Duration PauseBefore(int next);

// Calls `attempt` until it answers anything but kUnreachable, `timeouts.tries` times at most. A
// denial is an answer: it is never asked for twice here.
template <typename T>
KmsResult<T> WithRetries(const Surroundings& surroundings,
                         const std::function<KmsResult<T>()>& attempt) {
  for (int next = 2;; ++next) {
    KmsResult<T> result = attempt();
    const bool again = !result.has_value() && result.error().kms_class == KmsClass::kUnreachable;
    if (!again || next > surroundings.timeouts.tries) return result;
    surroundings.pause(PauseBefore(next));
  }
}

// Twice at most: our own credentials may have gone stale between fetching and use.
template <typename T>
KmsResult<T> JudgedWithFreshCredentials(const std::function<KmsResult<T>()>& attempt) {
  KmsResult<T> result = attempt();
  // Only a service that gave an answer can have seen them; without any there is nothing to renew.
  const bool stale = !result.has_value() && result.error().kms_class == KmsClass::kOurs &&
                     !result.error().code.empty();
  return stale ? attempt() : std::move(result);
}

}  // namespace freehold
