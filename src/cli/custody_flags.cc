#include "cli/custody_flags.h"

#include <algorithm>

#include "fmt/format.h"

namespace freehold::cli {
namespace {

// In the order of DurationSettings().
constexpr std::string CustodyFlags::*kTexts[] = {
    &CustodyFlags::check_interval,  &CustodyFlags::confirm_after, &CustodyFlags::request_timeout,
    &CustodyFlags::outage_grace,    &CustodyFlags::seal_delay,    &CustodyFlags::stop_timeout,
    &CustodyFlags::version_interval};

std::string FlagOf(const DurationSetting& setting) {
  std::string flag = fmt::format("--{}", setting.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

}  // namespace

Result<CustodySettings> ParseCustodyFlags(const CustodyFlags& flags) {
  CustodySettings settings;
  std::size_t index = 0;
  for (const DurationSetting& setting : DurationSettings()) {
    const std::string flag = FlagOf(setting);
    const auto duration = ParseDuration(flags.*kTexts[index++]);
    if (!duration.ok()) return duration.error().Because(flag);
    const Status possible = CheckDuration(*duration, setting.least);
    if (!possible.ok()) return possible.error().Because(flag);
    settings.*setting.value = *duration;
  }
  settings.on_denied = TRY(OnDeniedFromName(flags.on_denied));
  settings.on_key_return = TRY(OnKeyReturnFromName(flags.on_key_return));
  return settings;
}

}  // namespace freehold::cli
