#include "cli/custody_flags.h"

namespace freehold::cli {
namespace {

Result<Duration> ParseFlag(std::string_view name, const std::string& text, Duration least) {
  auto duration = ParseDuration(text);
  if (!duration.ok()) return duration.error().Because(name);
  if (*duration < least) {
    return Error(ErrorCode::kInvalidArgument,
                 std::string(name) + ": must be at least " + FormatDuration(least));
  }
  return duration;
}

}  // namespace

std::vector<std::string> ToWords(const CustodyFlags& flags) {
  return {"--check-interval", flags.check_interval, "--version-interval", flags.version_interval,
          "--confirm-after",  flags.confirm_after,  "--request-timeout",  flags.request_timeout,
          "--outage-grace",   flags.outage_grace,   "--stop-timeout",     flags.stop_timeout,
          "--on-denied",      flags.on_denied,      "--on-key-return",    flags.on_key_return};
}

Result<CustodySettings> ParseCustodyFlags(const CustodyFlags& flags) {
  using std::chrono::milliseconds;
  CustodySettings settings;
  settings.check_interval =
      TRY(ParseFlag("--check-interval", flags.check_interval, milliseconds(100)));
  settings.confirm_after = TRY(ParseFlag("--confirm-after", flags.confirm_after, milliseconds(0)));
  settings.request_timeout =
      TRY(ParseFlag("--request-timeout", flags.request_timeout, milliseconds(100)));
  settings.outage_grace = TRY(ParseFlag("--outage-grace", flags.outage_grace, milliseconds(0)));
  settings.stop_timeout = TRY(ParseFlag("--stop-timeout", flags.stop_timeout, milliseconds(0)));
  settings.version_interval =
      TRY(ParseFlag("--version-interval", flags.version_interval, milliseconds(0)));
  settings.on_denied = TRY(OnDeniedFromName(flags.on_denied));
  settings.on_key_return = TRY(OnKeyReturnFromName(flags.on_key_return));
  return settings;
}

}  // namespace freehold::cli
