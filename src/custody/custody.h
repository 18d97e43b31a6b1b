// Custody: decides, from a KMS's answers and the clocks, whether a node may hold its keys.
//
// The state machine of the design, section 3, and nothing else: no I/O, no threads, no waiting. A
// caller asks Next() what to do, does it, and reports back. Only a successful unwrap of the canary
// (or of the KEK, at opening) renews the lease, and the lease counts from when that request was
// sent. Errors: none; every input has a meaning in every state. Threads: one at a time.
//
//   sealed --open--> opening --unwrapped--> open <--probe ok-- grace
//                                            | no proof          | lease used up
//                                            +------> grace      v
//   open, grace --denied, and not taken back at the second look,
//                 nor until seal_delay is over--> sealing --> sealed
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "custody/custody_settings.h"
#include "kms/key_provider.h"

namespace freehold {

enum class CustodyState { kSealed, kOpening, kOpen, kGrace, kSealing };
enum class SealReason { kNone, kDenied, kGraceUsedUp, kStopped, kRevoked };
std::string_view NameOf(CustodyState state);
std::string_view NameOf(SealReason reason);

struct CustodyAction {
  enum class Kind { kWait, kProbe, kOpen, kSeal };
  Kind kind = Kind::kWait;
  BootTime until;                         // for kWait
  SealReason reason = SealReason::kNone;  // for kSeal
};

// What a status shows; times are wall-clock copies of what the machine decides on.
struct CustodyStatus {
  CustodyState state = CustodyState::kSealed;
  SealReason reason = SealReason::kStopped;
  std::optional<KmsFailure> last_failure;  // the KMS's own words; cleared by a success
  std::optional<KmsFailure> last_denial;   // the last "no", whatever followed; cleared likewise
  WallTime since;                          // of the state
  std::optional<WallTime> last_verified_at;
  std::optional<WallTime> lease_expires_at;
  std::optional<WallTime> next_probe_at;
  std::optional<WallTime> seals_at;  // while a "no" waits for its delay; a success takes it back
};

class Custody {
 public:
  Custody(const CustodySettings& settings, const Clock& clock);

  // What is to be done now. kWait ends early when one of the reports below is made.
  CustodyAction Next();

  // Reports. `sent` is the moment just before the request left.
  void RequestOpen();
  void Opened(BootTime sent);
  void OpenFailed(const KmsFailure& failure);
  void ProbeSucceeded(BootTime sent);
  void ProbeFailed(const KmsFailure& failure);
  void RequestSeal(SealReason reason);  // kStopped or kRevoked
  // A probe is due now, also where none is made by itself. False where the key may not be used or
  // an answer is awaited already: sealed by order or stopped, opening, sealing. A second look keeps
  // its time: asking twice in a row must not make one passing "no" into two.
  bool RequestProbe();
  void Sealed();
  // Count at once, for the lease and the delay that are running too; a probe is due.
  void ChangeSettings(const CustodySettings& settings);

  // Wall time ran on while the boot clock stood still: the machine was paused. The lease loses that
  // time and a probe is due at once. True while nothing may be served before that probe's answer.
  bool MustNotServe();

  CustodyState state() const { return state_; }
  bool LeaseExpired() const;
  Duration LeaseExpiredFor() const;  // zero while it has not
  CustodyStatus Snapshot() const;
  const CustodySettings& settings() const { return settings_; }

 private:
  void Enter(CustodyState state);
  void Renew(BootTime sent);
  void Remember(const KmsFailure& failure);
  void NoticePause();
  WallTime ToWall(BootTime time) const;
  Duration RetryInterval() const;
  BootTime LeaseEnd() const;
  std::optional<BootTime> SealsAt() const;

  CustodySettings settings_;
  const Clock& clock_;
  CustodyState state_ = CustodyState::kSealed;
  SealReason reason_ = SealReason::kStopped;
  std::optional<KmsFailure> last_failure_;
  std::optional<KmsFailure> last_denial_;
  WallTime since_;
  bool denial_pending_ = false;  // a first "no" that only a success takes back
  bool probe_before_serving_ = false;
  bool probe_requested_ = false;  // sealed, and somebody wants to know
  std::optional<WallTime> last_verified_;
  BootTime lease_from_;
  std::optional<BootTime> denied_since_;  // confirmed; only a success takes it back
  BootTime next_attempt_;
  Duration wall_minus_boot_{};
};

}  // namespace freehold
