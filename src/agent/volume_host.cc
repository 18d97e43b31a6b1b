#include "agent/volume_host.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/json.hpp>

#include "api/cluster_identity.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/rfc3339.h"
#include "crypto/uuid.h"
#include "fmt/format.h"
#include "kms/key_pattern.h"
#include "node/control_socket.h"
#include "node/run_lock.h"
#include "node/status_json.h"
#include "node/volume.h"

namespace freehold::agent {
namespace {

namespace json = boost::json;

constexpr int kLookMs = 2000;
constexpr int kSealMs = 60'000;
constexpr int kKeysMs = 120'000;
constexpr int kProbeMs = 60'000;
constexpr Duration kCreateTime = std::chrono::seconds(120);
constexpr Duration kTrialTime = std::chrono::seconds(20);
constexpr Duration kStopTime = std::chrono::seconds(120);

std::string TextAt(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

std::uint64_t NumberAt(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  boost::system::error_code failure;
  const auto number = value == nullptr ? 0 : value->to_number<std::uint64_t>(failure);
  return failure ? 0 : number;
}

const json::object* ObjectAt(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr ? value->if_object() : nullptr;
}

std::optional<WallTime> TimeAt(const json::object& object, std::string_view name) {
  return ParseTime(TextAt(object, name));
}

// The KMS's last "no" if there is one, which an outage after it does not hide.
std::string WordsOfKms(const json::object& custody) {
  for (const char* name : {"last_denial", "last_failure"}) {
    const json::object* failure = ObjectAt(custody, name);
    if (failure == nullptr) continue;
    return fmt::format("{}: {}", TextAt(*failure, "code"), TextAt(*failure, "message"));
  }
  return "";
}

// "denied" from the first "no" on, until a success takes it back.
std::string ClassOfFailure(const json::object& custody) {
  for (const char* name : {"last_denial", "last_failure"}) {
    const json::object* failure = ObjectAt(custody, name);
    if (failure != nullptr) return TextAt(*failure, "class");
  }
  return "";
}

// Bytes whose DEK a KEK that was left still reaches; at least 1 until that is known to be none.
std::uint64_t OldKeyBytes(const json::object& status, std::size_t deks) {
  if (deks <= 1) return 0;
  const json::object* progress = ObjectAt(status, "reencryption");
  if (progress == nullptr) return 1;
  const std::uint64_t total = NumberAt(*progress, "bytes_total");
  const std::uint64_t done = NumberAt(*progress, "bytes_done");
  return std::max<std::uint64_t>(total > done ? total - done : 0, 1);
}

void AddKey(std::vector<std::string>& words, const api::KeySpec& key,
            const std::string& external_id) {
  if (!key.auth_principal.empty()) {
    words.insert(words.end(), {"--principal", key.auth_principal});
  }
  if (!external_id.empty() && !key.auth_principal.empty()) {
    words.insert(words.end(), {"--external-id", external_id});
  }
}

// The key in the form that patterns are for; what cannot be parsed matches none.
Result<KeyUri> AllowedKey(const std::vector<std::string>& patterns, const api::KeySpec& key) {
  KeyUri uri = TRY(KeyUri::Parse(key.uri));
  TRY(CheckAllowed(patterns, uri.text()));
  return uri;
}

// What became of the KMS's words, or will.
std::string Outlook(const json::object& custody, const CustodySettings& settings) {
  const std::string seals_at = TextAt(custody, "seals_at");
  const bool is_denied = ObjectAt(custody, "last_denial") != nullptr;
  const bool is_sealed = TextAt(custody, "state") == "sealed";
  if (!seals_at.empty()) return fmt::format("; seals at {} unless the key comes back", seals_at);
  if (is_denied && !is_sealed && settings.on_denied == OnDenied::kAlert) {
    return "; stays open, as on_denied is 'alert'";
  }
  const std::string reason = TextAt(custody, "reason");
  const bool by_kms = reason == "denied" || reason == "grace";
  if (is_sealed && by_kms && settings.on_key_return == OnKeyReturn::kManual) {
    return "; opens by a restore only, as on_key_return is 'manual'";
  }
  return "";
}

}  // namespace

Observed VolumeHost::Look() {
  Observed observed;
  const auto keyring = ReadKeyring(paths_);
  observed.has_volume = keyring.ok();
  if (keyring.ok()) {
    const WrappedKek& kek = keyring->keks.front();
    observed.key_uri = kek.key_uri;
    observed.key_version = kek.kek.key_version;
    observed.principal = kek.principal;
    observed.may_disenrol = options_.allow_disenrol;
    observed.deks = keyring->deks.size();
    if (auto assignment = LoadAssignment(paths_); assignment.ok()) {
      observed.assignment = std::move(*assignment);
    } else {
      LogError("agent", assignment.error().message());
    }
    observed.may_adopt = options_.adopt;
    LookAtPin(*keyring, observed);
    LookAtDaemon(observed);
  }
  const auto seen = PinStore(options_.state).VolumeAt(options_.volume);
  observed.was_here = seen.ok() && seen->has_value() && !IsUnfinished(options_.volume);
  observed.starting = !observed.held && IsRun();
  observed.terms = options_.terms;
  return observed;
}

void VolumeHost::LookAtPin(const Keyring& keyring, Observed& observed) const {
  const auto& context = keyring.keks.front().context;
  if (const auto made_for = context.find("freehold:cluster"); made_for != context.end()) {
    observed.made_for = made_for->second;
  }
  const auto pin = PinStore(options_.state).Load(keyring.volume_id);
  observed.revoked_on_disk = pin.ok() && pin->has_value() && (*pin)->revoked;
}

void VolumeHost::LookAtDaemon(Observed& observed) {
  observed.database = "down";
  auto daemon = ConnectControl(paths_.control_socket());
  if (!daemon.ok()) return;
  observed.held = true;
  const auto status = CallControl(**daemon, {{"command", "status"}}, kLookMs);
  const json::object* custody = status.ok() ? ObjectAt(*status, "custody") : nullptr;
  if (custody == nullptr) return;
  observed.custody = TextAt(*custody, "state");
  observed.custody_reason = TextAt(*custody, "reason");
  observed.custody_message = WordsOfKms(*custody);
  observed.failure_class = ClassOfFailure(*custody);
  observed.deletion_at = TimeAt(*custody, "deletion_at");
  const json::object* settings = ObjectAt(*custody, "settings");
  if (settings != nullptr) observed.on_denied = TextAt(*settings, "on_denied");
  // A process of an older release has not all of them, and cannot be told any.
  if (settings != nullptr && settings->contains("seal_delay_ms")) {
    if (auto parsed = SettingsFromJson(*settings, {}); parsed.ok()) {
      observed.settings = *parsed;
      observed.custody_message += Outlook(*custody, *parsed);
    }
  }
  observed.since = TimeAt(*custody, "since");
  observed.last_verified_at = TimeAt(*custody, "last_verified_at");
  observed.lease_expires_at = TimeAt(*custody, "lease_expires_at");
  observed.seals_at = TimeAt(*custody, "seals_at");
  observed.next_probe_at = TimeAt(*custody, "next_probe_at");
  observed.old_key_bytes = OldKeyBytes(*status, observed.deks);
  observed.database = TextAt(*status, "database");
}

// By us, or by an agent before us.
bool VolumeHost::IsRun() { return OursRuns() || IsRunLocked(paths_); }

bool VolumeHost::OursRuns() {
  if (running_ == 0) return false;
  int status = 0;
  if (waitpid(running_, &status, WNOHANG) == 0) return true;
  ended_at_once_ = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  running_ = 0;
  return false;
}

Status VolumeHost::Do(Step step, const api::DesiredState& desired) {
  switch (step) {
    case Step::kNothing:
      return {};
    case Step::kCreate:
      return Create(desired);
    case Step::kTakeOrder:
      return TakeOrder(desired, step);
    case Step::kStart:
      return Start(desired);
    case Step::kCustody:
      return SetCustody(TermsFor(desired));
    case Step::kStop:
      return Stop();
    case Step::kSeal:
      return SealNow();
    case Step::kOpen: {
      const auto daemon = TRY(ConnectControl(paths_.control_socket()));
      TRY(CallControl(*daemon, {{"command", "open"}}, kSealMs));
      return TakeOrder(desired, step);
    }
    case Step::kRewrap:
      TRY(ChangeKey("rotate-key", desired, {}));
      return TakeOrder(desired, step);
    case Step::kRekey:
    case Step::kReencrypt:
      return RenewKeys(step, desired);
  }
  return {};
}

Status VolumeHost::Create(const api::DesiredState& desired) {
  const std::string key = TRY(KeyOf(desired));
  std::vector<std::string> words = {"volume",
                                    "create",
                                    options_.volume,
                                    "--key",
                                    key,
                                    "--context",
                                    "freehold:cluster=" + desired.cluster};
  words.insert(words.end(), options_.create_arguments.begin(), options_.create_arguments.end());
  AddKey(words, *desired.key, desired.organization);
  TRY(RunOwnCommand(words, IdentitiesFor(desired.cluster), kCreateTime));
  return TakeOrder(desired, Step::kCreate);
}

Variables VolumeHost::IdentitiesFor(const std::string& cluster) const {
  // The server's word is no part of anybody else's name.
  Variables variables;
  if (!IsUuid(cluster)) return variables;
  for (const auto& [name, pattern] : options_.identities) {
    variables[name] = api::ClusterIdentity(pattern, cluster);
  }
  return variables;
}

Status VolumeHost::SetCustody(const CustodySettings& settings) {
  const auto daemon = TRY(ConnectControl(paths_.control_socket()));
  TRY(CallControl(*daemon, {{"command", "custody"}, {"settings", SettingsJson(settings)}},
                  kLookMs));
  LogInfo("agent", "custody: " + WorstCaseText(settings));
  return {};
}

Status VolumeHost::Start(const api::DesiredState& desired) {
  if (std::exchange(ended_at_once_, false)) {
    return Error(ErrorCode::kInternal,
                 fmt::format("'freehold run' ended by itself; {} says why", options_.log_path));
  }
  std::vector<std::string> words = {"run", "--volume", options_.volume};
  words.insert(words.end(), options_.run_arguments.begin(), options_.run_arguments.end());
  const std::vector<std::string> of_custody = ToWords(TermsFor(desired));
  words.insert(words.end(), of_custody.begin(), of_custody.end());
  running_ = TRY(StartOwnCommand(words, IdentitiesFor(desired.cluster), options_.log_path));
  return {};
}

Status VolumeHost::SealNow() {
  if (auto daemon = ConnectControl(paths_.control_socket()); daemon.ok()) {
    TRY(CallControl(**daemon, {{"command", "seal"}}, kSealMs));
    return {};
  }
  if (!ReadKeyring(paths_).ok()) return {};
  OpenOptions any;
  any.allow_keys = options_.allow_keys;
  const auto volume = TRY(Volume::Lock(options_.volume, any, PinStore(options_.state)));
  return volume->SetRevoked(true);
}

std::string VolumeHost::Recheck() const {
  const auto daemon = ConnectControl(paths_.control_socket());
  if (!daemon.ok()) return "nothing holds the volume: its key is not in use";
  const auto answer = CallControl(**daemon, {{"command", "probe"}}, kProbeMs);
  if (!answer.ok()) return answer.error().message();
  const json::object* custody = ObjectAt(*answer, "custody");
  return custody == nullptr ? "" : WordsOfKms(*custody);
}

Status VolumeHost::Stop() {
  const BootTime deadline = clock_.Boot() + kStopTime;
  if (OursRuns()) kill(running_, SIGTERM);
  for (bool is_asked = false;;) {
    if (!OursRuns()) {
      const auto daemon = ConnectControl(paths_.control_socket());
      if (!daemon.ok() && !IsRunLocked(paths_)) return {};
      if (daemon.ok() && !std::exchange(is_asked, true)) {
        TRY(CallControl(**daemon, {{"command", "unmount"}, {"force", true}}, kSealMs));
      }
    }
    if (clock_.Boot() >= deadline) {
      return Error(ErrorCode::kTimeout, "the volume does not stop");
    }
    poll(nullptr, 0, 50);  // a process whose end nobody tells us of
  }
}

// Once for each order: an agent that died after it had asked asks again, for a KEK instead of the
// same one.
Status VolumeHost::RenewKeys(Step step, const api::DesiredState& desired) {
  const std::uint64_t count = step == Step::kRekey ? desired.rekeys : desired.reencrypts;
  const std::string order = fmt::format("{} {} ", NameOf(step), count);
  Assignment assignment = TRY(LoadAssignment(paths_)).value_or(Assignment());
  if (!assignment.renewing.starts_with(order)) {
    assignment.renewing = order + HexEncode(TRY(ReadKeyring(paths_)).kek_id);
    TRY(SaveAssignment(paths_, assignment));
    CrashPoint("renewal.begun");
  }
  TRY(ChangeKey(step == Step::kRekey ? "rekey" : "re-encrypt", desired,
                {{"from_kek", assignment.renewing.substr(order.size())}}));
  return TakeOrder(desired, step);
}

// Whatever a server calls the key: the host knows by itself which are the operator's.
Result<std::string> VolumeHost::KeyOf(const api::DesiredState& desired) const {
  const KeyUri key = TRY(AllowedKey(options_.allow_keys, *desired.key));
  if (!NameKey(options_.operators_keys, key)) return key.text();
  if (desired.customers) {
    return Error(ErrorCode::kForbidden,
                 fmt::format("the key {} is the operator's own (--escrow-key), and no "
                             "customer-managed one",
                             key.text()));
  }
  const auto present = TRY(LoadAssignment(paths_));
  const bool leaves = present.has_value() && present->customers;
  if (leaves && !options_.allow_disenrol) return Error(ErrorCode::kForbidden, kLeavesNoCustomer);
  return key.text();
}

Status VolumeHost::ChangeKey(const char* command, const api::DesiredState& desired,
                             json::object request) {
  const std::string key = TRY(KeyOf(desired));
  const auto daemon = TRY(ConnectControl(paths_.control_socket()));
  request["command"] = command;
  request["key"] = key;
  if (!desired.key->auth_principal.empty()) {
    request["principal"] = desired.key->auth_principal;
    request["external_id"] = desired.organization;
  }
  TRY(CallControl(*daemon, request, kKeysMs));
  LogInfo("agent", fmt::format("{}: {}", command, desired.key->uri));
  return {};
}

Status VolumeHost::TakeOrder(const api::DesiredState& desired, Step done) {
  CrashPoint("order.done");
  const auto present = TRY(LoadAssignment(paths_));
  return SaveAssignment(paths_, OrderAfter(done, desired, present, options_.adopt));
}

api::TrialAnswer VolumeHost::Try(const api::KeyTrial& trial, const std::string& cluster) const {
  const auto check = [&]() -> Status {
    const std::string key = TRY(AllowedKey(options_.allow_keys, trial.spec)).text();
    std::vector<std::string> words = {"key", "check", key};
    AddKey(words, trial.spec, trial.external_id);
    const auto present = TRY(LoadAssignment(paths_));
    const std::string& ours = present.has_value() ? present->cluster : cluster;
    return RunOwnCommand(words, IdentitiesFor(ours), kTrialTime);
  };
  const Status checked = check();
  if (checked.ok()) return {trial.id, true, ""};
  return {trial.id, false, checked.error().message()};
}

}  // namespace freehold::agent
