#include "custody/custody_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold {
namespace {

using std::chrono::milliseconds;

constexpr std::array<std::pair<OnDenied, std::string_view>, kOnDeniedCount> kOnDenied = {{
    {OnDenied::kSeal, "seal"},
    {OnDenied::kAlert, "alert"},
}};
constexpr std::array<std::pair<OnKeyReturn, std::string_view>, kOnKeyReturnCount> kOnKeyReturn = {{
    {OnKeyReturn::kAuto, "auto"},
    {OnKeyReturn::kManual, "manual"},
}};

constexpr DurationSetting kDurations[] = {
    {"check_interval", &CustodySettings::check_interval, milliseconds(100)},
    {"confirm_after", &CustodySettings::confirm_after, Duration(0)},
    {"request_timeout", &CustodySettings::request_timeout, milliseconds(100)},
    {"outage_grace", &CustodySettings::outage_grace, Duration(0)},
    {"seal_delay", &CustodySettings::seal_delay, Duration(0)},
    {"stop_timeout", &CustodySettings::stop_timeout, Duration(0)},
    {"version_interval", &CustodySettings::version_interval, Duration(0)},
};

template <typename Value, typename Table>
Result<Value> ValueIn(const Table& table, std::string_view wanted, std::string_view what) {
  for (const auto& [value, name] : table) {
    if (name == wanted) return value;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} cannot be '{}'; it is '{}' or '{}'", what, Printable(wanted),
                           table[0].second, table[1].second));
}

}  // namespace

std::string_view NameOf(OnDenied choice) {
  return kOnDenied[static_cast<std::size_t>(choice)].second;
}
std::string_view NameOf(OnKeyReturn choice) {
  return kOnKeyReturn[static_cast<std::size_t>(choice)].second;
}

Result<OnDenied> OnDeniedFromName(std::string_view name) {
  return ValueIn<OnDenied>(kOnDenied, name, "on_denied");
}
Result<OnKeyReturn> OnKeyReturnFromName(std::string_view name) {
  return ValueIn<OnKeyReturn>(kOnKeyReturn, name, "on_key_return");
}

Duration CustodySettings::WorstCaseDenied() const {
  // Two looks, each of which may take its whole time; a third may be under way when a delay ends.
  const Duration delay = seal_delay == Duration(0) ? Duration(0) : seal_delay + request_timeout;
  return check_interval + request_timeout + confirm_after + request_timeout + delay + stop_timeout;
}

Duration CustodySettings::WorstCaseUnreachable() const {
  return check_interval + outage_grace + request_timeout + stop_timeout;
}

std::string WorstCaseText(const CustodySettings& settings) {
  const std::string denied = settings.on_denied == OnDenied::kAlert
                                 ? "not sealed by the KMS's \"no\", which is only shown and logged"
                                 : fmt::format("sealed at most {} after the KMS begins to refuse",
                                               FormatDuration(settings.WorstCaseDenied()));
  return fmt::format(
      "{}; sealed at most {} after it can no longer be reached; the sealing's own steps and the "
      "KMS's propagation come on top",
      denied, FormatDuration(settings.WorstCaseUnreachable()));
}

std::span<const DurationSetting> DurationSettings() { return kDurations; }

Status CheckDuration(Duration value, Duration least) {
  const auto refuse = [](const std::string& what) {
    return Error(ErrorCode::kInvalidArgument, what);
  };
  if (value < least) return refuse("must be at least " + FormatDuration(least));
  if (value > kLongestSetting) return refuse("must be at most 30 days");
  if (value % milliseconds(1) != Duration(0)) return refuse("must be in whole milliseconds");
  return {};
}

Status CheckSettings(const CustodySettings& settings) {
  for (const DurationSetting& setting : DurationSettings()) {
    const Status possible = CheckDuration(settings.*setting.value, setting.least);
    if (!possible.ok()) return possible.error().Because(setting.name);
  }
  return {};
}

std::string FormatSetting(Duration value) {
  constexpr std::pair<std::string_view, Duration> kUnits[] = {{"h", std::chrono::hours(1)},
                                                              {"m", std::chrono::minutes(1)},
                                                              {"s", std::chrono::seconds(1)},
                                                              {"ms", milliseconds(1)}};
  std::string text;
  for (const auto& [unit, length] : kUnits) {
    const auto count = value / length;
    value -= count * length;
    if (count != 0) text += fmt::format("{}{}", count, unit);
  }
  return text.empty() ? "0s" : text;
}

std::vector<std::string> ToWords(const CustodySettings& settings) {
  std::vector<std::string> words;
  for (const DurationSetting& setting : DurationSettings()) {
    std::string flag = fmt::format("--{}", setting.name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    words.push_back(std::move(flag));
    words.push_back(FormatSetting(settings.*setting.value));
  }
  words.insert(words.end(), {"--on-denied", std::string(NameOf(settings.on_denied)),
                             "--on-key-return", std::string(NameOf(settings.on_key_return))});
  return words;
}

}  // namespace freehold
