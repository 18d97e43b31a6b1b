#include "cli/volume_commands.h"

#include <poll.h>

#include <boost/json.hpp>

#include "base/log.h"
#include "cli/output.h"
#include "cli/status_text.h"
#include "cli/volume_access.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "format/sizes.h"
#include "kms/helper_key_provider.h"
#include "node/status_json.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

Result<Cipher> CipherFromName(const std::string& name) {
  for (const Cipher cipher : {Cipher::kAes256Xts, Cipher::kAes256Ctr, Cipher::kNull}) {
    if (name == NameOf(cipher)) return cipher;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is no cipher; there are aes-256-xts, and aes-256-ctr for files "
                           "that are written once",
                           name));
}

Result<json::object> Create(const VolumeCreateOptions& options) {
  CreateOptions create;
  create.directory = options.volume.directory;
  create.access = *TRY(ToKeyAccess(options.volume.key));
  TRY(CheckAllowed(options.volume.allow_keys, create.access.uri.text()));
  create.context = TRY(ParseContext(options.context));
  create.cipher = TRY(CipherFromName(options.cipher));
  HelperKeyProviderFactory factory(TRY(PacedHelpers()));
  TRY(CreateVolume(create, factory, PinStoreOf(options.volume), SystemClock()));
  return KeyringJson(TRY(ReadKeyring(VolumePaths(options.volume.directory))));
}

Result<json::object> Status(const VolumeFlags& options) {
  auto daemon = TRY(FindDaemon(options.directory));
  if (daemon != nullptr) return CallControl(*daemon, {{"command", "status"}});
  json::object status = KeyringJson(TRY(ReadKeyring(VolumePaths(options.directory))));
  status["volume"] = options.directory;
  status["mount_point"] = nullptr;
  return status;
}

Result<json::object> Verify(const VolumeFlags& options) {
  auto daemon = TRY(FindDaemon(options.directory));
  if (daemon != nullptr) return CallControl(*daemon, {{"command", "verify"}});
  OpenOptions open_options = TRY(ToOpenOptions(options));
  open_options.only_reads = true;
  auto volume = TRY(Volume::Lock(options.directory, open_options, PinStoreOf(options)));
  HelperKeyProviderFactory factory(TRY(PacedHelpers()));
  auto provider = factory.NewProvider(volume->access());
  auto keys = volume->Open(*provider);
  if (!keys) return keys.error().ToError();
  const auto open_header = [&](ByteView header) { return OpenHeader(header, *keys); };
  return VerifyReportJson(TRY(VerifyVolume(volume->paths(), open_header, [] { return false; })));
}

// Done when the daemon has ended: the next command finds the volume's lock free.
Result<json::object> Unmount(const VolumeUnmountOptions& options) {
  constexpr int kDeadlineMs = 30'000;
  auto daemon = TRY(DaemonOf(options.volume));
  const UniqueFd process = daemon->PeerProcess();
  json::object answer =
      TRY(CallControl(*daemon, {{"command", "unmount"}, {"force", options.force}}));
  pollfd ended{process.get(), POLLIN, 0};
  if (process.valid() && poll(&ended, 1, kDeadlineMs) == 0) {
    return Error(ErrorCode::kTimeout, "unmounted, but the volume's process does not end");
  }
  return answer;
}

}  // namespace

int RunVolumeCreate(const VolumeCreateOptions& options) {
  HardenProcess();
  return Show(Create(options), options.volume.json, [&](const json::object& created) {
    return fmt::format("created the volume {} ({}), its KEK wrapped by {}",
                       options.volume.directory, std::string(created.at("cipher").as_string()),
                       std::string(created.at("keks").at(0).at("key").as_string()));
  });
}

int RunVolumeStatus(const VolumeFlags& options) {
  return Show(Status(options), options.json, StatusText);
}

int RunVolumeVerify(const VolumeFlags& options) {
  HardenProcess();
  auto report = Verify(options);
  if (!report.ok()) return Fail(report.error(), options.json);
  const int shown = Show(report, options.json, VerifyText);
  if (shown != 0 || report->at("sound").as_bool()) return shown;
  return InfoOf(ErrorCode::kVerifyFailed).exit_code;
}

int RunVolumeUnmount(const VolumeUnmountOptions& options) {
  return Show(Unmount(options), options.volume.json,
              [](const json::object&) { return std::string("unmounted"); });
}

int RunVolumeSeal(const VolumeFlags& options) {
  return Show(TellDaemon(options, {{"command", "seal"}}), options.json,
              [](const json::object&) { return std::string("sealing"); });
}

// Without a daemon it takes back a seal by order, so that the next mount opens.
int RunVolumeOpen(const VolumeFlags& options) {
  auto daemon = FindDaemon(options.directory);
  if (daemon.ok() && *daemon == nullptr) {
    auto volume = LockHere(options);
    if (volume.ok() && (*volume)->revoked()) {
      auto restored = (*volume)->SetRevoked(false);
      if (!restored.ok()) return Fail(restored.error(), options.json);
      Print(options.json ? R"({"ok":true})" : "may be mounted again");
      return 0;
    }
  }
  return Show(TellDaemon(options, {{"command", "open"}}), options.json,
              [](const json::object&) { return std::string("opening"); });
}

}  // namespace freehold::cli
