// Time: the boot clock for leases and deadlines, the wall clock for people.
//
// Leases count on CLOCK_BOOTTIME, which goes on while the machine sleeps and cannot be set back.
// Both clocks are handed in as a Clock, so that tests need no sleeping.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold {

using Duration = std::chrono::nanoseconds;

// A point on the boot clock.
struct BootTime {
  Duration since_boot{};
  auto operator<=>(const BootTime&) const = default;
  BootTime operator+(Duration d) const { return {since_boot + d}; }
  BootTime operator-(Duration d) const { return {since_boot - d}; }
  Duration operator-(BootTime other) const { return since_boot - other.since_boot; }
};

// A point on the wall clock (UTC).
struct WallTime {
  Duration since_epoch{};
  auto operator<=>(const WallTime&) const = default;
  WallTime operator+(Duration d) const { return {since_epoch + d}; }
  Duration operator-(WallTime other) const { return since_epoch - other.since_epoch; }
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual BootTime Boot() const = 0;
  virtual WallTime Wall() const = 0;
};

// The machine's clocks; lives for ever.
const Clock& SystemClock();

class FakeClock : public Clock {
 public:
  BootTime Boot() const override { return boot_; }
  WallTime Wall() const override { return wall_; }
  void Advance(Duration d) {
    boot_ = boot_ + d;
    wall_ = wall_ + d;
  }
  // A machine that was paused: wall time runs on, the boot clock does not.
  void AdvanceWallOnly(Duration d) { wall_ = wall_ + d; }

 private:
  BootTime boot_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::hours(24 * 365 * 55)};
};

// "2026-01-02T03:04:05Z" (RFC 3339, whole seconds).
std::string FormatTime(WallTime time);
// "250ms", "2s", "1m30s".
std::string FormatDuration(Duration duration);
// "250ms", "2s", "1.5s", "30m", "1h", "1m30s": numbers with their units, the largest first. A bare
// number is refused: it does not say of what. Up to 30 days. kInvalidArgument with one sentence.
Result<Duration> ParseDuration(std::string_view text);

}  // namespace freehold
