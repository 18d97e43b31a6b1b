// CustodySettings: what the owner of a key chooses about custody, and what follows for how fast a
// "no" is obeyed.
//
// Knows names and limits, no clock and no state. The names are those of flags (with hyphens), of
// the API and, with _ms behind, of the control socket. Errors: kInvalidArgument with one sentence.
// Threads: values. Spec: docs/threat-model.md, "How fast".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace freehold {

enum class OnDenied { kSeal, kAlert };
enum class OnKeyReturn { kAuto, kManual };
inline constexpr int kOnDeniedCount = 2;
inline constexpr int kOnKeyReturnCount = 2;

std::string_view NameOf(OnDenied choice);
std::string_view NameOf(OnKeyReturn choice);
Result<OnDenied> OnDeniedFromName(std::string_view name);
Result<OnKeyReturn> OnKeyReturnFromName(std::string_view name);

struct CustodySettings {
  Duration check_interval = std::chrono::seconds(60);   // between two probes
  Duration confirm_after = std::chrono::seconds(5);     // from a first "no" to the second look
  Duration request_timeout = std::chrono::seconds(10);  // a probe that takes longer is unreachable
  Duration outage_grace = std::chrono::minutes(30);     // open without proof
  Duration seal_delay = std::chrono::seconds(0);        // open after a confirmed "no"
  Duration stop_timeout = std::chrono::seconds(30);     // for the database to stop by itself
  Duration version_interval = std::chrono::hours(1);    // between two looks for a new key version;
                                                        // 0: never
  OnDenied on_denied = OnDenied::kSeal;
  OnKeyReturn on_key_return = OnKeyReturn::kAuto;

  bool operator==(const CustodySettings&) const = default;

  // From a change at the KMS to sealed, at worst; the KMS's own propagation comes on top. The first
  // is of no meaning where on_denied is kAlert.
  Duration WorstCaseDenied() const;
  Duration WorstCaseUnreachable() const;
};

// Both sums as a sentence for people.
std::string WorstCaseText(const CustodySettings& settings);

// The settings that are times.
struct DurationSetting {
  const char* name;  // "check_interval"
  Duration CustodySettings::*value;
  Duration least;
};
std::span<const DurationSetting> DurationSettings();

inline constexpr Duration kLongestSetting = std::chrono::hours(24 * 30);
// Between `least` and that, and in whole milliseconds.
Status CheckDuration(Duration value, Duration least);
Status CheckSettings(const CustodySettings& settings);

// To the millisecond, as ParseDuration reads it back: "1h30m", "1s250ms", "0s".
std::string FormatSetting(Duration value);

// As `freehold run` and `freehold volume mount` are told them.
std::vector<std::string> ToWords(const CustodySettings& settings);

}  // namespace freehold
