#include "custody/custody.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "fmt/format.h"

namespace freehold {
namespace {

using std::chrono::seconds;

// Without proof we look more often than the interval asks for, so that a return is noticed soon.
constexpr Duration kRetry = seconds(10);
// NTP may step a clock by less; a machine that slept or was paused jumps further.
constexpr Duration kPauseTolerance = seconds(5);

constexpr std::array<std::pair<CustodyState, std::string_view>, 5> kStates = {{
    {CustodyState::kSealed, "sealed"},
    {CustodyState::kOpening, "opening"},
    {CustodyState::kOpen, "open"},
    {CustodyState::kGrace, "grace"},
    {CustodyState::kSealing, "sealing"},
}};
constexpr std::array<std::pair<SealReason, std::string_view>, 5> kReasons = {{
    {SealReason::kNone, ""},
    {SealReason::kDenied, "denied"},
    {SealReason::kGraceUsedUp, "grace"},
    {SealReason::kStopped, "stopped"},
    {SealReason::kRevoked, "revoked"},
}};
constexpr std::array<std::pair<OnDenied, std::string_view>, 2> kOnDenied = {{
    {OnDenied::kSeal, "seal"},
    {OnDenied::kAlert, "alert"},
}};
constexpr std::array<std::pair<OnKeyReturn, std::string_view>, 2> kOnKeyReturn = {{
    {OnKeyReturn::kAuto, "auto"},
    {OnKeyReturn::kManual, "manual"},
}};

template <typename Table, typename Value>
std::string_view NameIn(const Table& table, Value value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  return "";
}

template <typename Value, typename Table>
Result<Value> ValueIn(const Table& table, std::string_view wanted, std::string_view what) {
  for (const auto& [value, name] : table) {
    if (name == wanted) return value;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} cannot be '{}'; it is '{}' or '{}'", what, wanted, table[0].second,
                           table[1].second));
}

}  // namespace

std::string_view NameOf(CustodyState state) { return NameIn(kStates, state); }
std::string_view NameOf(SealReason reason) { return NameIn(kReasons, reason); }
std::string_view NameOf(OnDenied choice) { return NameIn(kOnDenied, choice); }
std::string_view NameOf(OnKeyReturn choice) { return NameIn(kOnKeyReturn, choice); }

Result<OnDenied> OnDeniedFromName(std::string_view name) {
  return ValueIn<OnDenied>(kOnDenied, name, "on_denied");
}
Result<OnKeyReturn> OnKeyReturnFromName(std::string_view name) {
  return ValueIn<OnKeyReturn>(kOnKeyReturn, name, "on_key_return");
}

Duration CustodySettings::WorstCaseDenied() const {
  // Two looks, each of which may take its whole time.
  return check_interval + request_timeout + confirm_after + request_timeout + stop_timeout;
}

Duration CustodySettings::WorstCaseUnreachable() const {
  return check_interval + outage_grace + request_timeout + stop_timeout;
}

Custody::Custody(const CustodySettings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      since_(clock.Wall()),
      next_attempt_(clock.Boot()),
      wall_minus_boot_(clock.Wall().since_epoch - clock.Boot().since_boot) {}

Duration Custody::RetryInterval() const { return std::min(settings_.check_interval, kRetry); }

void Custody::Enter(CustodyState state) {
  if (state_ == state) return;
  state_ = state;
  since_ = clock_.Wall();
}

CustodyAction Custody::Next() {
  NoticePause();
  const BootTime now = clock_.Boot();
  switch (state_) {
    case CustodyState::kSealing:
      return {CustodyAction::Kind::kSeal, now, reason_};
    case CustodyState::kOpening:
      return {CustodyAction::Kind::kOpen, now, SealReason::kNone};
    case CustodyState::kSealed: {
      const bool by_itself =
          (reason_ == SealReason::kDenied || reason_ == SealReason::kGraceUsedUp) &&
          settings_.on_key_return == OnKeyReturn::kAuto;
      if (probe_requested_) return {CustodyAction::Kind::kProbe, now, reason_};
      if (!by_itself) return {CustodyAction::Kind::kWait, now + std::chrono::hours(1), reason_};
      if (now >= next_attempt_) return {CustodyAction::Kind::kProbe, now, reason_};
      return {CustodyAction::Kind::kWait, next_attempt_, reason_};
    }
    case CustodyState::kOpen:
    case CustodyState::kGrace:
      break;
  }
  if (LeaseExpired()) {
    RequestSeal(SealReason::kGraceUsedUp);
    return {CustodyAction::Kind::kSeal, now, reason_};
  }
  if (now >= next_attempt_) return {CustodyAction::Kind::kProbe, now, SealReason::kNone};
  return {CustodyAction::Kind::kWait, std::min(next_attempt_, lease_end_), SealReason::kNone};
}

void Custody::RequestOpen() {
  if (state_ == CustodyState::kSealed) Enter(CustodyState::kOpening);
}

// An outage that follows a "no" must not hide whose decision it was.
void Custody::Remember(const KmsFailure& failure) {
  last_failure_ = failure;
  if (failure.kms_class == KmsClass::kDenied) last_denial_ = failure;
}

void Custody::Renew(BootTime sent) {
  last_failure_.reset();
  last_denial_.reset();
  denial_pending_ = false;
  probe_before_serving_ = false;
  last_verified_ = ToWall(sent);
  lease_end_ = sent + settings_.check_interval + settings_.outage_grace;
  next_attempt_ = sent + settings_.check_interval;
}

bool Custody::RequestProbe() {
  const BootTime now = clock_.Boot();
  switch (state_) {
    case CustodyState::kOpening:
    case CustodyState::kSealing:
      return false;
    case CustodyState::kSealed:
      if (reason_ != SealReason::kDenied && reason_ != SealReason::kGraceUsedUp) return false;
      probe_requested_ = true;
      return true;
    case CustodyState::kOpen:
    case CustodyState::kGrace:
      if (!denial_pending_) next_attempt_ = std::min(next_attempt_, now);
      return true;
  }
  return false;
}

void Custody::Opened(BootTime sent) {
  Renew(sent);
  if (state_ == CustodyState::kSealing) return;  // asked for while the key was on its way
  reason_ = SealReason::kNone;
  Enter(CustodyState::kOpen);
}

void Custody::OpenFailed(const KmsFailure& failure) {
  if (state_ != CustodyState::kSealing) {  // a seal that was asked for meanwhile keeps its reason
    Remember(failure);
    reason_ =
        failure.kms_class == KmsClass::kDenied ? SealReason::kDenied : SealReason::kGraceUsedUp;
  }
  next_attempt_ = clock_.Boot() + RetryInterval();
  Enter(CustodyState::kSealed);
}

void Custody::ProbeSucceeded(BootTime sent) {
  probe_requested_ = false;
  if (state_ == CustodyState::kSealed) {
    last_failure_.reset();
    last_denial_.reset();
    if (settings_.on_key_return == OnKeyReturn::kManual) return;  // known now, and not opened
    Enter(CustodyState::kOpening);  // the key is back; opening unwraps the KEK itself
    return;
  }
  if (state_ != CustodyState::kOpen && state_ != CustodyState::kGrace) return;
  Renew(sent);
  Enter(CustodyState::kOpen);
}

void Custody::ProbeFailed(const KmsFailure& failure) {
  probe_requested_ = false;
  Remember(failure);
  const BootTime now = clock_.Boot();
  if (state_ != CustodyState::kOpen && state_ != CustodyState::kGrace) {
    next_attempt_ = now + RetryInterval();
    return;
  }
  const bool denied = failure.kms_class == KmsClass::kDenied;
  if (denial_pending_ && settings_.on_denied == OnDenied::kSeal) {
    // A "no" was not taken back: whatever the second answer is, it is no proof of use.
    RequestSeal(SealReason::kDenied);
    return;
  }
  denial_pending_ = denied;
  next_attempt_ =
      now + (denied || failure.kms_class == KmsClass::kAmbiguous ? settings_.confirm_after
                                                                 : RetryInterval());
  if (!denied) probe_before_serving_ = false;  // an outage: grace decides, shortened by the pause
  if (denied && settings_.on_denied == OnDenied::kAlert) {
    // The customer chose to be told only; an alert never seals, an outage still does.
    denial_pending_ = false;
    lease_end_ = now + settings_.check_interval + settings_.outage_grace;
    next_attempt_ = now + RetryInterval();
    probe_before_serving_ = false;
  }
  Enter(CustodyState::kGrace);
}

void Custody::RequestSeal(SealReason reason) {
  probe_requested_ = false;
  if (state_ == CustodyState::kSealed) {
    reason_ = reason;
    return;
  }
  reason_ = reason;
  Enter(CustodyState::kSealing);
}

void Custody::Sealed() {
  denial_pending_ = false;
  probe_before_serving_ = false;
  next_attempt_ = clock_.Boot() + RetryInterval();
  Enter(CustodyState::kSealed);
}

void Custody::NoticePause() {
  const Duration difference = clock_.Wall().since_epoch - clock_.Boot().since_boot;
  const Duration jump = difference - wall_minus_boot_;
  wall_minus_boot_ = difference;
  if (jump <= kPauseTolerance) return;
  lease_end_ = lease_end_ - jump;
  if (state_ == CustodyState::kOpen || state_ == CustodyState::kGrace) {
    probe_before_serving_ = true;
    next_attempt_ = clock_.Boot();
  }
}

bool Custody::MustNotServe() {
  NoticePause();
  return probe_before_serving_;
}

bool Custody::LeaseExpired() const {
  const bool leased = state_ == CustodyState::kOpen || state_ == CustodyState::kGrace;
  return leased && clock_.Boot() >= lease_end_;
}

Duration Custody::LeaseExpiredFor() const {
  return LeaseExpired() ? clock_.Boot() - lease_end_ : Duration(0);
}

WallTime Custody::ToWall(BootTime time) const { return {time.since_boot + wall_minus_boot_}; }

CustodyStatus Custody::Snapshot() const {
  CustodyStatus status;
  status.state = state_;
  status.reason = reason_;
  status.last_failure = last_failure_;
  status.last_denial = last_denial_;
  status.since = since_;
  status.last_verified_at = last_verified_;
  const bool leased = state_ == CustodyState::kOpen || state_ == CustodyState::kGrace;
  if (leased) status.lease_expires_at = ToWall(lease_end_);
  const bool probes =
      leased || (state_ == CustodyState::kSealed && settings_.on_key_return == OnKeyReturn::kAuto &&
                 reason_ != SealReason::kStopped && reason_ != SealReason::kRevoked);
  if (probes) status.next_probe_at = ToWall(next_attempt_);
  return status;
}

}  // namespace freehold
