// RequestPace: how fast this machine asks one KMS, all its processes together.
//
// A thousand volumes that open at once must not use up what a KMS grants per second: the owner's
// other programs live of the same quota. Each operation takes the next turn of its KMS from a small
// file that all processes of a user share (one for a region of AWS, for Google, for each Azure
// vault, Vault and KMIP server; a PKCS#11 token has no quota and no pace). A KMS that throttles
// slows everybody down for a while. Probes have a lane of their own and never wait long: a volume
// must not be sealed because others open.
// Errors: kThrottled when the queue is too long. Files that cannot be used mean no pace, never a
// failure. Threads: safe. Spec: docs/decisions/0013-connections.md.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kms/key_provider.h"

namespace freehold {

class RequestPace {
 public:
  enum class Lane { kProbes, kOthers };
  static constexpr int kDefaultRate = 50;  // operations per second
  static constexpr int kBurst = 10;        // as many may begin at once after a rest
  static constexpr Duration kLongestWait = std::chrono::minutes(1);
  static constexpr Duration kLongestProbeWait = std::chrono::seconds(2);

  // `directory` is made with mode 0700 when it is first needed.
  RequestPace(std::string directory, int operations_per_second, const Clock& clock);

  // /run/freehold/pace for root, below $XDG_RUNTIME_DIR for others; "" where there is none.
  static std::string DefaultDirectory();

  // How long from now until this operation's turn.
  KmsResult<Duration> TakeTurn(const KeyUri& key, Lane lane);
  // The KMS throttled: half the rate, for all, and from second to second again; it comes back in
  // steps of kRecovery.
  void SlowDown(const KeyUri& key);
  static constexpr Duration kRecovery = std::chrono::seconds(5);

 private:
  const std::string directory_;
  const Duration spacing_;
  const Clock& clock_;
};

}  // namespace freehold
