#include "base/clock.h"

#include <charconv>
#include <ctime>

#include "fmt/format.h"

namespace freehold {
namespace {

Duration Read(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

class MachineClock : public Clock {
 public:
  BootTime Boot() const override { return {Read(CLOCK_BOOTTIME)}; }
  WallTime Wall() const override { return {Read(CLOCK_REALTIME)}; }
};

}  // namespace

const Clock& SystemClock() {
  static const MachineClock clock;
  return clock;
}

std::string FormatTime(WallTime time) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string FormatDuration(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  if (ms < 60'000 && ms % 1000 != 0) return fmt::format("{}.{}s", ms / 1000, ms % 1000 / 100);
  const auto seconds = ms / 1000;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}m{}s", seconds / 60, seconds % 60);
}

Result<Duration> ParseDuration(std::string_view text) {
  const auto refused = [&] {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is not a time span such as 250ms, 2s, 30m or 1h", text));
  };
  constexpr Duration kLongest = std::chrono::hours(24 * 30);
  Duration total{};
  std::string_view rest = text;
  while (!rest.empty()) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (parsed.ec != std::errc() || number < 0 || number > 3'000'000'000) return refused();
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
    const std::string_view unit = rest.substr(0, rest.find_first_of("0123456789"));
    Duration one{};
    if (unit == "ms") one = std::chrono::milliseconds(1);
    if (unit == "s") one = std::chrono::seconds(1);
    if (unit == "m") one = std::chrono::minutes(1);
    if (unit == "h") one = std::chrono::hours(1);
    if (one == Duration(0) || number > kLongest / one) return refused();
    total += number * one;
    rest.remove_prefix(unit.size());
  }
  if (text.empty() || total > kLongest) return refused();
  return total;
}

}  // namespace freehold
