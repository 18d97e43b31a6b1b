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

struct Unit {
  std::string_view name;
  Duration length;
};
// The largest first; "ms" before "m", which it begins with.
constexpr Unit kUnits[] = {{"h", std::chrono::hours(1)},
                           {"ms", std::chrono::milliseconds(1)},
                           {"m", std::chrono::minutes(1)},
                           {"s", std::chrono::seconds(1)}};
constexpr Duration kLongest = std::chrono::hours(24 * 30);

Error NotADuration(std::string_view text) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is not a duration such as 250ms, 2s, 30m or 1h", text));
}

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
  Duration total{};
  Duration previous = Duration::max();
  std::string_view left = text;
  if (left == "0") return total;
  if (left.empty()) return NotADuration(text);
  while (!left.empty()) {
    double number = 0;
    const auto [end, failure] =
        std::from_chars(left.data(), left.data() + left.size(), number, std::chars_format::fixed);
    if (failure != std::errc() || !(number >= 0) || number > 1e12) return NotADuration(text);
    left.remove_prefix(static_cast<std::size_t>(end - left.data()));
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (found == nullptr && left.starts_with(unit.name)) found = &unit;
    }
    if (found == nullptr || found->length >= previous) return NotADuration(text);
    left.remove_prefix(found->name.size());
    previous = found->length;
    const double length = number * static_cast<double>(found->length.count());
    if (length > static_cast<double>(kLongest.count())) return NotADuration(text);
    total += Duration(static_cast<Duration::rep>(length));
  }
  if (total > kLongest) return NotADuration(text);
  return total;
}

}  // namespace freehold
