#include "cli/shared_flags.h"

#include "CLI/CLI.hpp"
#include "kms/key_pattern.h"

namespace freehold::cli {

void AddCustodyFlags(CLI::App& command, CustodyFlags& flags) {
  const auto add = [&](const char* name, std::string& value, const char* help) {
    command.add_option(name, value, help)->capture_default_str()->group("Custody");
  };
  add("--check-interval", flags.check_interval, "Between two probes of the key");
  add("--version-interval", flags.version_interval,
      "Between two looks for a new version of the key, which is then wrapped to; 0s: never");
  add("--confirm-after", flags.confirm_after, "From a first 'no' to the second look");
  add("--request-timeout", flags.request_timeout, "For one probe");
  add("--outage-grace", flags.outage_grace, "Open although the KMS cannot be reached");
  add("--seal-delay", flags.seal_delay, "Open although the KMS has said, and confirmed, 'no'");
  add("--stop-timeout", flags.stop_timeout, "For the database to stop by itself");
  add("--on-denied", flags.on_denied, "seal or alert");
  add("--on-key-return", flags.on_key_return, "auto or manual");
}

void AddKeyPatterns(CLI::App& command, const char* flag, std::vector<std::string>& patterns,
                    const std::string& help) {
  const auto make_canonical = [](std::string& text) -> std::string {
    auto pattern = CanonicalKeyPattern(text);
    if (!pattern.ok()) return pattern.error().message();
    text = std::move(*pattern);
    return "";
  };
  command.add_option(flag, patterns, help)->transform(CLI::Validator(make_canonical, ""));
}

void AddReserveFlag(CLI::App& command, std::optional<std::uint64_t>& reserve) {
  command
      .add_option(
          "--reserve", reserve,
          "Disk space that is held back for a full disk, such as 64MiB; 0 for none [256MiB, "
          "or 5 % of a smaller disk]")
      ->transform(CLI::AsSizeValue(false));
}

void AddDatabaseFlags(CLI::App& command, RunOptions& options) {
  command.add_option("--profile", options.profile,
                     "Which database: a name, or a file with a slash");
  command.add_option("--profile-dir", options.profile_dir, "Where profiles are looked for first");
  command.add_option("--version", options.version, "Of the database [the newest installed]");
  command.add_option("--set", options.set,
                     "NAME=VALUE, a parameter of the profile; may be repeated");
  AddReserveFlag(command, options.reserve);
  command.add_flag("--no-supervise", options.no_supervise,
                   "Run no database: only mount, and call the two hooks");
  command.add_option("--on-open", options.on_open, "Command to run when the volume is open");
  command.add_option("--on-seal", options.on_seal, "Command to run, and wait for, before a seal");
}

}  // namespace freehold::cli
