// freehold volume rotate-key, rekey, re-encrypt: each says which of the three it did.
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "cli/output.h"
#include "cli/status_text.h"
#include "cli/volume_access.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "kms/helper_key_provider.h"
#include "node/status_json.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr auto kWatchInterval = std::chrono::milliseconds(250);

// The command, and the key to use from now on if one was named.
Result<json::object> RequestWithKey(const char* command, const VolumeFlags& options) {
  const auto access = TRY(ToKeyAccess(options.key));
  json::object request;
  if (access.has_value()) {
    TRY(CheckAllowed(options.allow_keys, access->uri.text()));
    request = KeyAccessJson(*access);
  }
  request["command"] = command;
  return request;
}

// --key names the new one, not one to open with.
Result<std::unique_ptr<Volume>> LockForChange(const VolumeFlags& options) {
  VolumeFlags without_key = options;
  without_key.key = {};
  return LockHere(without_key);
}

Result<json::object> RotateKey(const VolumeFlags& options) {
  const json::object request = TRY(RequestWithKey("rotate-key", options));
  auto daemon = TRY(FindDaemon(options.directory));
  if (daemon != nullptr) return CallControl(*daemon, request);
  auto volume = TRY(LockForChange(options));
  HelperKeyProviderFactory factory(TRY(PacedHelpers()));
  TRY(volume->Rewrap(TRY(KeyAccessFromJson(request)), factory, SystemClock()));
  return KeyringJson(volume->keyring());
}

Result<json::object> Rekey(const VolumeFlags& options) {
  const json::object request = TRY(RequestWithKey("rekey", options));
  auto daemon = TRY(FindDaemon(options.directory));
  if (daemon != nullptr) return CallControl(*daemon, request);
  auto volume = TRY(LockForChange(options));
  const KeyAccess access =
      request.contains("key") ? TRY(KeyAccessFromJson(request)) : volume->access();
  HelperKeyProviderFactory factory(TRY(PacedHelpers()));
  TRY(volume->Rekey(access, Volume::NewDek::kNone, factory, SystemClock()));
  return KeyringJson(volume->keyring());
}

// One line that is written again and again; nothing where nobody looks at it.
void ShowProgress(const json::object& progress) {
  if (isatty(STDERR_FILENO) == 0) return;
  constexpr int kWidth = 40;
  const auto percent = progress.at("percent").to_number<int>();
  const std::string bar(static_cast<std::size_t>(kWidth * percent / 100), '#');
  std::fprintf(stderr, "\r[%-*s] %3d %% %s ", kWidth, bar.c_str(), percent,
               std::string(progress.at("state").as_string()).c_str());
  if (percent == 100) std::fputc('\n', stderr);
}

// Until the daemon says that it is done, or that it cannot go on.
Result<json::object> WaitForReencryption(const VolumeFlags& options) {
  for (;;) {
    json::object status = TRY(TellDaemon(options, {{"command", "status"}}));
    if (!status.at("reencryption").is_object()) {
      return Error(ErrorCode::kSealed,
                   "no re-encryption runs: it goes on once the volume is open again");
    }
    const json::object& progress = status.at("reencryption").as_object();
    ShowProgress(progress);
    const std::string_view state = progress.at("state").as_string();
    if (state == "done") return status;
    if (state == "stuck") {
      return Error(CodeNamed(progress.at("problem_code").as_string()),
                   std::string(progress.at("problem").as_string()));
    }
    // Bytes are no event that a watch would tell of: whoever wants a bar looks now and then.
    std::this_thread::sleep_for(kWatchInterval);
  }
}

Result<json::object> Reencrypt(const VolumeReencryptOptions& options) {
  auto request = TRY(RequestWithKey("re-encrypt", options.volume));
  if (options.rate.has_value()) {
    request["bytes_per_second"] = static_cast<std::int64_t>(*options.rate);
  }
  auto begun = TellDaemon(options.volume, request);
  // One that is under way can be waited for as well.
  const bool under_way = !begun.ok() && begun.error().code() == ErrorCode::kBusy && options.wait &&
                         options.volume.key.key.empty();
  if (!begun.ok() && !under_way) return begun.error();
  if (!options.wait) return begun;
  return WaitForReencryption(options.volume);
}

std::string KeyOf(const json::object& keyring) {
  return std::string(keyring.at("keks").at(0).at("key").as_string());
}

}  // namespace

int RunVolumeRotateKey(const VolumeFlags& options) {
  HardenProcess();
  return Show(RotateKey(options), options.json, [](const json::object& keyring) {
    return fmt::format(
        "rewrapped: the same KEK is now wrapped by {}. No wrapping by the old key is left on this "
        "volume. Whoever kept an old keyring and the old key can still unwrap this KEK; only "
        "re-encryption cuts that off.",
        KeyOf(keyring));
  });
}

int RunVolumeRekey(const VolumeFlags& options) {
  HardenProcess();
  return Show(Rekey(options), options.json, [](const json::object& keyring) {
    return fmt::format(
        "rekeyed: a new KEK, wrapped by {}, holds the same DEKs. An old keyring with the key that "
        "wrapped it still opens the data; only re-encryption cuts that off.",
        KeyOf(keyring));
  });
}

int RunVolumeReencrypt(const VolumeReencryptOptions& options) {
  HardenProcess();
  return Show(Reencrypt(options), options.volume.json, [&](const json::object& keyring) {
    if (options.wait) {
      return std::string(
          "re-encrypted: every file is under a new DEK and a new KEK; the old ones are gone from "
          "this volume. Copies and snapshots made before stay under the old ones.");
    }
    const json::value* rate_changed = keyring.if_contains("rate_changed");
    if (rate_changed != nullptr && *rate_changed == json::value(true)) {
      return std::string(
          "no new keys: a re-encryption is under way already, and goes on at the rate given.");
    }
    return fmt::format(
        "re-encrypting: a new KEK, wrapped by {}, and a new DEK; files come under it while they "
        "are "
        "in use. Until 'freehold volume status' says 100 %, old DEKs still open what is left.",
        KeyOf(keyring));
  });
}

}  // namespace freehold::cli
