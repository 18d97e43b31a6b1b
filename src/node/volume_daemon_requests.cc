// What a volume's daemon answers on its control socket: docs/control-socket.md.
#include <poll.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <climits>

#include "base/log.h"
#include "fmt/format.h"
#include "node/open_volume.h"
#include "node/status_json.h"
#include "node/verify.h"

namespace freehold {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

// The process that is killed at a seal: never one that a wrong number happens to hit.
// 0: a workload without a process that could be killed.
Result<pid_t> PidOf(const json::object& request) {
  const json::value* pid = request.if_contains("pid");
  if (pid == nullptr || !pid->is_int64() || pid->as_int64() < 0 || pid->as_int64() == 1 ||
      pid->as_int64() > INT_MAX) {
    return Error(ErrorCode::kInvalidArgument, "'pid' is not the number of a process");
  }
  return static_cast<pid_t>(pid->as_int64());
}

// The key that a request names, or the present one.
Result<KeyAccess> AccessOr(const json::object& request, const KeyAccess& present) {
  if (request.contains("key")) return KeyAccessFromJson(request);
  if (request.contains("principal") || request.contains("external_id")) {
    return Error(ErrorCode::kInvalidArgument, "'principal' and 'external_id' belong to a 'key'");
  }
  return present;
}

// Whoever asks again, not knowing whether they were heard, names the KEK that is to go.
Result<bool> IsDone(const json::object& request, const Keyring& keyring) {
  const json::value* from = request.if_contains("from_kek");
  if (from == nullptr) return false;
  if (!from->is_string()) {
    return Error(ErrorCode::kInvalidArgument, "'from_kek' is not the id of a KEK");
  }
  return std::string_view(from->as_string()) != HexEncode(keyring.kek_id);
}

// Nothing where the request names none.
Result<std::optional<std::uint64_t>> RateFrom(const json::object& request) {
  const json::value* rate = request.if_contains("bytes_per_second");
  if (rate == nullptr) return std::optional<std::uint64_t>();
  if (!rate->is_int64() || rate->as_int64() < static_cast<std::int64_t>(kLeastRate)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'bytes_per_second' is not a number from {}", kLeastRate));
  }
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(rate->as_int64()));
}

}  // namespace

Result<json::object> VolumeDaemon::Handle(const json::object& request,
                                          ControlConnection& connection) {
  const json::value* name = request.if_contains("command");
  const std::string command =
      name != nullptr && name->is_string() ? std::string(name->as_string()) : "";
  if (command == "status") return StatusJson();
  if (command == "rotate-key") return HandleRotateKey(request);
  if (command == "rekey") return HandleRekey(request);
  if (command == "re-encrypt") return HandleReencrypt(request);
  if (command == "unmount") return HandleUnmount(request);
  if (command == "verify") return HandleVerify();
  if (command == "watch") return HandleWatch(connection);
  if (command == "seal") return HandleSeal();
  if (command == "open") return HandleOpen();
  if (command == "probe") return HandleProbe();
  if (command == "custody") return HandleCustody(request);
  if (command == "database-started") return HandleDatabaseStarted(request);
  if (command == "database-ready") return HandleDatabaseReady();
  if (command != "database-stopped") {
    return Error(ErrorCode::kInvalidArgument, fmt::format("unknown command '{}'", command));
  }
  std::lock_guard lock(mutex_);
  database_stopped_ = true;
  database_ = "down";
  protected_pid_ = 0;
  Changed();
  return json::object{{"ok", true}};
}

// Sealed by order stays so across restarts: it is on the disk before it is acknowledged.
Result<json::object> VolumeDaemon::HandleSeal() {
  {
    std::lock_guard lock(mutex_);
    custody_.RequestSeal(SealReason::kRevoked);
    ++orders_waiting_;
    Changed();  // interrupts an opening or a rotation, which hold the volume
  }
  std::lock_guard volume_lock(volume_mutex_);
  {
    std::lock_guard lock(mutex_);
    --orders_waiting_;
    Changed();
  }
  if (auto remembered = volume_->SetRevoked(true); !remembered.ok()) {
    return remembered.error().Because("sealed, but a restart would open it again");
  }
  return json::object{{"ok", true}};
}

Result<json::object> VolumeDaemon::HandleOpen() {
  {
    std::lock_guard lock(volume_mutex_);
    TRY(volume_->SetRevoked(false));
  }
  std::lock_guard lock(mutex_);
  custody_.RequestOpen();
  Changed();
  return json::object{{"ok", true}};
}

// Answers when a probe that began after the request has had its answer.
Result<json::object> VolumeDaemon::HandleProbe() {
  std::unique_lock lock(mutex_);
  const CustodySettings settings = custody_.settings();
  const Duration longest = settings.confirm_after + 2 * settings.request_timeout;
  if (!custody_.RequestProbe()) {
    const CustodyStatus now = custody_.Snapshot();
    if (now.state != CustodyState::kSealed) {
      return Error(ErrorCode::kBusy, fmt::format("the volume is {}", NameOf(now.state)));
    }
    return Error(ErrorCode::kSealed, now.reason == SealReason::kRevoked
                                         ? "the volume is sealed by order: its key is not used"
                                         : "the volume is sealed, and not by its KMS");
  }
  const std::uint64_t wanted = probes_begun_ + 1;
  Changed();
  if (!changed_.wait_for(lock, longest + seconds(1),
                         [&] { return probes_ended_ >= wanted || stopping_; }) ||
      stopping_) {
    return Error(ErrorCode::kTimeout, "the probe has no answer yet");
  }
  return json::object{{"custody", CustodyAnswer()}};
}

// Until this process ends; whoever starts the next one tells it.
Result<json::object> VolumeDaemon::HandleCustody(const json::object& request) {
  const json::value* wanted = request.if_contains("settings");
  if (wanted == nullptr || !wanted->is_object()) {
    return Error(ErrorCode::kInvalidArgument, "'settings' is not an object");
  }
  std::lock_guard lock(mutex_);
  const CustodySettings settings = TRY(SettingsFromJson(wanted->as_object(), custody_.settings()));
  if (settings != custody_.settings()) {
    custody_.ChangeSettings(settings);
    options_.on_settings(settings);
    ++settings_changes_;
    LogInfo("custody", "other settings: " + WorstCaseText(settings));
    Changed();
  }
  return CustodyAnswer();
}

Result<json::object> VolumeDaemon::HandleDatabaseStarted(const json::object& request) {
  const pid_t pid = TRY(PidOf(request));
  const auto open = CurrentlyOpen();
  if (open == nullptr) return Error(ErrorCode::kSealed, "the volume is sealed");
  open->guardian->Protect(pid);
  std::lock_guard lock(mutex_);
  protected_pid_ = pid;
  database_ = "starting";
  return json::object{{"ok", true}};
}

Result<json::object> VolumeDaemon::HandleDatabaseReady() {
  std::lock_guard lock(mutex_);
  database_ = "ready";
  Changed();
  return json::object{{"ok", true}};
}

Result<json::object> VolumeDaemon::HandleRotateKey(const json::object& request) {
  KeyAccess access = TRY(KeyAccessFromJson(request));
  std::lock_guard volume_lock(volume_mutex_);
  auto rewrapped = volume_->Rewrap(access, factory_, clock_);
  KeyringChanged();
  if (!rewrapped.ok()) return rewrapped.error();
  LogInfo("volume", fmt::format("rewrapped to {}", access.uri.text()));
  return KeyringJson(volume_->keyring());
}

Result<json::object> VolumeDaemon::HandleRekey(const json::object& request) {
  std::lock_guard volume_lock(volume_mutex_);
  const KeyAccess access = TRY(AccessOr(request, volume_->access()));
  if (TRY(IsDone(request, volume_->keyring()))) return KeyringJson(volume_->keyring());
  auto keys = volume_->Rekey(access, Volume::NewDek::kNone, factory_, clock_);
  KeyringChanged();
  if (!keys.ok()) return keys.error();
  LogInfo("volume", "rekeyed");
  return KeyringJson(volume_->keyring());
}

Result<json::object> VolumeDaemon::HandleReencrypt(const json::object& request) {
  const std::optional<std::uint64_t> rate = TRY(RateFrom(request));
  std::lock_guard volume_lock(volume_mutex_);
  const KeyAccess access = TRY(AccessOr(request, volume_->access()));
  if (TRY(IsDone(request, volume_->keyring()))) return KeyringJson(volume_->keyring());
  const auto open = CurrentlyOpen();
  if (open == nullptr) return Error(ErrorCode::kSealed, "the volume is sealed");
  if (volume_->keyring().cipher == Cipher::kNull) {
    return Error(ErrorCode::kInvalidArgument, "this volume is not encrypted (null cipher)");
  }
  if (volume_->keyring().deks.size() > 1) {
    return GoOnReencrypting(open, rate, request.contains("key"));
  }
  TRY(RememberRate(volume_->paths(), rate.value_or(kDefaultRate)));
  {
    std::lock_guard lock(open_mutex_);
    open->reencryption.reset();  // of an earlier one: it is done, and says so
  }
  auto keys = volume_->Rekey(access, Volume::NewDek::kAdd, factory_, clock_);
  KeyringChanged();
  if (!keys.ok()) return keys.error();
  TRY(open->keys.Replace(std::move(*keys)));
  std::lock_guard lock(open_mutex_);
  if (open_ != open || open->leaving) {
    return Error(ErrorCode::kSealed, "the volume was sealed meanwhile; it goes on once it is open");
  }
  StartReencryption(open, rate.value_or(kDefaultRate));
  return KeyringJson(volume_->keyring());
}

// One that is stuck begins its passes again; one that runs takes another rate, and no other key.
Result<json::object> VolumeDaemon::GoOnReencrypting(const std::shared_ptr<OpenVolume>& open,
                                                    std::optional<std::uint64_t> rate,
                                                    bool names_a_key) {
  if (rate.has_value() && !names_a_key) TRY(RememberRate(volume_->paths(), *rate));
  std::lock_guard lock(open_mutex_);
  if (open->reencryption == nullptr) {
    return Error(
        ErrorCode::kBusy,
        "a re-encryption was begun and does not run; mount the volume again, and it goes on");
  }
  const bool stuck = open->reencryption->Progress().state == ReencryptionState::kStuck;
  json::object answer = KeyringJson(volume_->keyring());
  answer["rate_changed"] = !stuck;
  if (stuck && !names_a_key && !open->leaving) {
    open->reencryption.reset();  // joined before what it goes over is replaced
    StartReencryption(open, RememberedRate(volume_->paths()));
    return answer;
  }
  if (stuck || names_a_key || !rate.has_value()) {
    return Error(ErrorCode::kBusy, "a re-encryption is under way; see 'freehold volume status'");
  }
  open->reencryption->SetRate(*rate);
  return answer;
}

Result<json::object> VolumeDaemon::HandleUnmount(const json::object& request) {
  const json::value* force = request.if_contains("force");
  if (force != nullptr && !force->is_bool()) {
    return Error(ErrorCode::kInvalidArgument, "'force' is neither true nor false");
  }
  const bool forced = force != nullptr && force->as_bool();
  if (const auto open = CurrentlyOpen(); open != nullptr && !forced) {
    open->leaving = true;
    if (auto unmounted = open->mount->Unmount(); !unmounted.ok()) {
      open->leaving = false;
      return unmounted.error();
    }
  }
  RequestStop();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, custody_.settings().stop_timeout + seconds(30),
                    [this] { return custody_.state() == CustodyState::kSealed; });
  return json::object{{"unmounted", custody_.state() == CustodyState::kSealed}};
}

Result<json::object> VolumeDaemon::HandleVerify() {
  const auto open = CurrentlyOpen();
  const Error sealed(ErrorCode::kSealed, "the volume is sealed: it cannot be read");
  if (open == nullptr) return sealed;
  // The keys for one header at a time: a seal waits for that one only.
  const auto open_header = [&](ByteView header) -> Result<OpenedHeader> {
    std::lock_guard verifying(open->verifying);
    if (open->leaving) return sealed;
    return OpenHeader(header, open->keys);
  };
  const auto must_stop = [&] { return open->leaving.load(); };
  return VerifyReportJson(TRY(VerifyVolume(volume_->paths(), open_header, must_stop)));
}

// Sends the status now and after every change, until the other end goes or the daemon stops.
Result<json::object> VolumeDaemon::HandleWatch(ControlConnection& connection) {
  {
    std::lock_guard lock(mutex_);
    supervised_ = true;
  }
  std::uint64_t seen = 0;
  for (bool first = true;; first = false) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, seconds(1), [&] { return first || revision_ != seen; });
      if (!first && revision_ == seen) {
        lock.unlock();
        pollfd closed{connection.fd(), POLLRDHUP, 0};
        if (poll(&closed, 1, 0) == 1) break;
        continue;
      }
      seen = revision_;
      if (stopping_ && custody_.state() == CustodyState::kSealed) break;
    }
    if (!connection.Send(StatusJson()).ok()) break;
  }
  std::lock_guard lock(mutex_);
  supervised_ = false;
  Changed();
  return json::object{{"ended", true}};
}

// Under mutex_.
json::object VolumeDaemon::CustodyAnswer() const {
  json::object custody = CustodyJson(custody_.Snapshot(), custody_.settings());
  if (!deletion_at_.empty()) custody["deletion_at"] = deletion_at_;
  return custody;
}

json::object VolumeDaemon::StatusJson() {
  std::optional<ReencryptionProgress> progress;
  {
    std::lock_guard open_lock(open_mutex_);
    if (open_ != nullptr && open_->reencryption != nullptr) {
      progress = open_->reencryption->Progress();
    }
  }
  std::lock_guard lock(mutex_);
  json::object status = KeyringJson(keyring_);
  status["reencryption"] = ReencryptionJson(progress);
  status["volume"] = volume_->paths().directory;
  status["mount_point"] = options_.mount_point;
  status["pid"] = getpid();
  status["database"] = database_;
  status["custody"] = CustodyAnswer();
  if (last_seal_.has_value()) status["last_seal"] = SealReportJson(*last_seal_);
  return status;
}

}  // namespace freehold
