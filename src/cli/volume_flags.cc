#include "cli/volume_flags.h"

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "fmt/format.h"

namespace freehold::cli {

Result<std::string> AbsolutePath(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return ErrnoError(errno, path);
  return std::string(resolved);
}

PinStore PinStoreOf(const VolumeFlags& flags) {
  return PinStore(flags.state_directory.empty() ? PinStore::DefaultDirectory()
                                                : flags.state_directory);
}

Result<std::optional<KeyAccess>> ToKeyAccess(const KeyFlags& flags) {
  if (flags.key.empty()) {
    if (!flags.principal.empty() || !flags.external_id.empty()) {
      return Error(ErrorCode::kInvalidArgument, "--principal and --external-id belong to a --key");
    }
    return std::optional<KeyAccess>();
  }
  KeyAccess access{TRY(KeyUri::Parse(flags.key)), flags.principal, flags.external_id};
  TRY(CheckPrincipal(access));
  return std::optional<KeyAccess>(std::move(access));
}

Result<EncryptionContext> ParseContext(const std::vector<std::string>& pairs) {
  EncryptionContext context;
  for (const std::string& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--context '{}' is not NAME=VALUE", pair));
    }
    if (Printable(pair) != pair) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("--context '{}' has a character that "
                                                            "cannot be printed",
                                                            pair));
    }
    context[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return context;
}

Status CheckReserve(std::optional<std::uint64_t> bytes) {
  constexpr std::uint64_t kLeast = std::uint64_t{4} << 20;  // writers wait for less than that
  constexpr std::uint64_t kMost = std::uint64_t{1} << 60;   // and -1 is more than that
  if (!bytes.has_value() || *bytes == 0 || (*bytes >= kLeast && *bytes < kMost)) return {};
  return Error(ErrorCode::kInvalidArgument,
               "--reserve wants 4MiB or more, such as 256MiB, or 0 for none");
}

std::vector<std::string> ToWords(const VolumeFlags& flags) {
  std::vector<std::string> words;
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  add("--key", flags.key.key);
  add("--principal", flags.key.principal);
  add("--external-id", flags.key.external_id);
  add("--state", flags.state_directory);
  add("--accept-keyring", flags.accept_keyring);
  for (const std::string& pattern : flags.allow_keys) add("--allow-key", pattern);
  return words;
}

Result<OpenOptions> ToOpenOptions(const VolumeFlags& flags) {
  OpenOptions options;
  options.access = TRY(ToKeyAccess(flags.key));
  options.allow_keys = flags.allow_keys;
  options.accept_keyring = flags.accept_keyring;
  return options;
}

Result<HelperOptions> PacedHelpers() {
  int rate = RequestPace::kDefaultRate;
  if (const char* text = std::getenv("FREEHOLD_KMS_RATE"); text != nullptr && *text != '\0') {
    const char* end = text + std::strlen(text);
    const auto [parsed, failure] = std::from_chars(text, end, rate);
    if (failure != std::errc() || parsed != end || rate < 1 || rate > 10000) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("FREEHOLD_KMS_RATE '{}' is not a number of operations per second "
                               "from 1 to 10000",
                               Printable(text)));
    }
  }
  HelperOptions options;
  options.pace =
      std::make_shared<RequestPace>(RequestPace::DefaultDirectory(), rate, SystemClock());
  return options;
}

}  // namespace freehold::cli
