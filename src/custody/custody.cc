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
template <typename Table, typename Value>
std::string_view NameIn(const Table& table, Value value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  return "";
}

}  // namespace

std::string_view NameOf(CustodyState state) { return NameIn(kStates, state); }
std::string_view NameOf(SealReason reason) { return NameIn(kReasons, reason); }

Custody::Custody(const CustodySettings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      since_(clock.Wall()),
      next_attempt_(clock.Boot()),
      wall_minus_boot_(clock.Wall().since_epoch - clock.Boot().since_boot) {}

Duration Custody::RetryInterval() const { return std::min(settings_.check_interval, kRetry); }

std::optional<BootTime> Custody::SealsAt() const {
  if (!denied_since_.has_value() || settings_.on_denied == OnDenied::kAlert) return std::nullopt;
  return *denied_since_ + settings_.seal_delay;
}

// A delay that was chosen for a "no" is not cut short by the grace for an outage.
BootTime Custody::LeaseEnd() const {
  const BootTime end = lease_from_ + settings_.check_interval + settings_.outage_grace;
  return std::max(end, SealsAt().value_or(end));
}

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
  // With little or no grace the lease ends as the probe is due: its answer decides.
  const bool asks_first = state_ == CustodyState::kOpen && !probe_before_serving_ &&
                          now >= next_attempt_ && LeaseExpiredFor() <= settings_.request_timeout;
  if (asks_first) return {CustodyAction::Kind::kProbe, now, SealReason::kNone};
  const std::optional<BootTime> seals_at = SealsAt();
  const bool is_denied = seals_at.has_value() && now >= *seals_at;
  if (is_denied || LeaseExpired()) {
    RequestSeal(is_denied ? SealReason::kDenied : SealReason::kGraceUsedUp);
    return {CustodyAction::Kind::kSeal, now, reason_};
  }
  if (now >= next_attempt_) return {CustodyAction::Kind::kProbe, now, SealReason::kNone};
  const BootTime end = std::min(LeaseEnd(), seals_at.value_or(LeaseEnd()));
  return {CustodyAction::Kind::kWait, std::min(next_attempt_, end), SealReason::kNone};
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
  denied_since_.reset();
  probe_before_serving_ = false;
  last_verified_ = ToWall(sent);
  lease_from_ = sent;
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
      // Not before the second look at a "no"; within a delay after it, at once.
      if (!denial_pending_ || denied_since_.has_value()) {
        next_attempt_ = std::min(next_attempt_, now);
      }
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
    if (!denied_since_.has_value()) denied_since_ = now;
    if (now >= *SealsAt()) {
      RequestSeal(SealReason::kDenied);
      return;
    }
    next_attempt_ = now + RetryInterval();
    probe_before_serving_ = false;  // served until the delay ends, as it was chosen
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
    lease_from_ = now;
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

void Custody::ChangeSettings(const CustodySettings& settings) {
  if (settings_ == settings) return;
  const BootTime now = clock_.Boot();
  settings_ = settings;
  next_attempt_ = std::min(next_attempt_, now);
  if (settings_.on_denied == OnDenied::kAlert && denial_pending_) {
    denial_pending_ = false;
    denied_since_.reset();
    lease_from_ = now;
  }
  // What was proven under longer times is asked for again before it counts for nothing.
  if (state_ == CustodyState::kOpen) {
    lease_from_ = std::max(lease_from_, now - settings_.check_interval - settings_.outage_grace);
  }
}

void Custody::Sealed() {
  denial_pending_ = false;
  denied_since_.reset();
  probe_before_serving_ = false;
  next_attempt_ = clock_.Boot() + RetryInterval();
  Enter(CustodyState::kSealed);
}

void Custody::NoticePause() {
  const Duration difference = clock_.Wall().since_epoch - clock_.Boot().since_boot;
  const Duration jump = difference - wall_minus_boot_;
  wall_minus_boot_ = difference;
  if (jump <= kPauseTolerance) return;
  lease_from_ = lease_from_ - jump;
  if (denied_since_.has_value()) denied_since_ = *denied_since_ - jump;
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
  return leased && clock_.Boot() >= LeaseEnd();
}

Duration Custody::LeaseExpiredFor() const {
  return LeaseExpired() ? clock_.Boot() - LeaseEnd() : Duration(0);
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
  if (leased) status.lease_expires_at = ToWall(LeaseEnd());
  const std::optional<BootTime> seals_at = SealsAt();
  if (leased && seals_at.has_value()) status.seals_at = ToWall(*seals_at);
  const bool probes =
      leased || (state_ == CustodyState::kSealed && settings_.on_key_return == OnKeyReturn::kAuto &&
                 reason_ != SealReason::kStopped && reason_ != SealReason::kRevoked);
  if (probes) status.next_probe_at = ToWall(next_attempt_);
  return status;
}

}  // namespace freehold
