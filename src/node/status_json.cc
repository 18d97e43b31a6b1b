#include "node/status_json.h"

#include <boost/json.hpp>

#include "fmt/format.h"

namespace freehold {
namespace {

namespace json = boost::json;

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

std::string TextOf(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

json::value TimeOrNull(const std::optional<WallTime>& time) {
  if (!time.has_value()) return nullptr;
  return json::value(FormatTime(*time));
}

std::string MillisecondsName(const DurationSetting& setting) {
  return fmt::format("{}_ms", setting.name);
}

json::value FailureOrNull(const std::optional<KmsFailure>& failure) {
  if (!failure.has_value()) return nullptr;
  return {{"class", NameOf(failure->kms_class)},
          {"code", failure->code},
          {"message", failure->message},
          {"operation", failure->operation},
          {"request_id", failure->request_id}};
}

}  // namespace

json::object KeyringJson(const Keyring& keyring) {
  json::array deks;
  for (const WrappedDek& dek : keyring.deks) {
    deks.push_back({{"id", HexEncode(dek.id)},
                    {"generation", dek.generation},
                    {"retired", dek.retired},
                    {"created", FormatTime(dek.created)}});
  }
  json::array keks;
  for (const WrappedKek& kek : keyring.keks) {
    json::object context;
    for (const auto& [name, value] : kek.context) context[name] = value;
    keks.push_back({{"kms_type", NameOf(kek.kms_type)},
                    {"key", kek.key_uri},
                    {"key_version", kek.kek.key_version},
                    {"principal", kek.principal},
                    {"context", context},
                    {"algorithm", kek.kek.algorithm},
                    {"wrapped_kek", Base64Encode(kek.kek.ciphertext)},
                    {"wrapped_at", FormatTime(kek.created)}});
  }
  return {{"volume_id", HexEncode(keyring.volume_id)},
          {"kek_id", HexEncode(keyring.kek_id)},
          {"generation", keyring.generation},
          {"cipher", NameOf(keyring.cipher)},
          {"created", FormatTime(keyring.created)},
          {"keks", keks},
          {"deks", deks}};
}

json::object CustodyJson(const CustodyStatus& status, const CustodySettings& settings) {
  return {{"state", NameOf(status.state)},
          {"reason", NameOf(status.reason)},
          {"since", FormatTime(status.since)},
          {"last_verified_at", TimeOrNull(status.last_verified_at)},
          {"lease_expires_at", TimeOrNull(status.lease_expires_at)},
          {"next_probe_at", TimeOrNull(status.next_probe_at)},
          {"last_failure", FailureOrNull(status.last_failure)},
          {"last_denial", FailureOrNull(status.last_denial)},
          {"seals_at", TimeOrNull(status.seals_at)},
          {"settings", SettingsJson(settings)}};
}

json::object SettingsJson(const CustodySettings& settings) {
  json::object object;
  for (const DurationSetting& setting : DurationSettings()) {
    object[MillisecondsName(setting)] = Milliseconds(settings.*setting.value);
  }
  object["on_denied"] = NameOf(settings.on_denied);
  object["on_key_return"] = NameOf(settings.on_key_return);
  object["worst_case_denied_ms"] = Milliseconds(settings.WorstCaseDenied());
  object["worst_case_unreachable_ms"] = Milliseconds(settings.WorstCaseUnreachable());
  return object;
}

Result<CustodySettings> SettingsFromJson(const json::object& object,
                                         const CustodySettings& present) {
  CustodySettings settings = present;
  for (const DurationSetting& setting : DurationSettings()) {
    const std::string name = MillisecondsName(setting);
    const json::value* value = object.if_contains(name);
    if (value == nullptr) continue;
    constexpr auto kMost = std::chrono::duration_cast<std::chrono::milliseconds>(kLongestSetting);
    if (!value->is_int64() || value->as_int64() < 0 || value->as_int64() > kMost.count()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is not a number of milliseconds up to 30 days", name));
    }
    settings.*setting.value = std::chrono::milliseconds(value->as_int64());
  }
  if (object.contains("on_denied")) {
    settings.on_denied = TRY(OnDeniedFromName(TextOf(object, "on_denied")));
  }
  if (object.contains("on_key_return")) {
    settings.on_key_return = TRY(OnKeyReturnFromName(TextOf(object, "on_key_return")));
  }
  TRY(CheckSettings(settings));
  return settings;
}

json::object SealReportJson(const SealReport& report) {
  return {{"flushed", report.flushed},
          {"drained", report.drained},
          {"dropped", report.dropped},
          {"cached_pages", report.cached_pages},
          {"fenced_ms", Milliseconds(report.until_fenced)},
          {"sealed_ms", Milliseconds(report.until_sealed)}};
}

json::value ReencryptionJson(const std::optional<ReencryptionProgress>& progress) {
  if (!progress.has_value()) return nullptr;
  json::array deks;
  for (const auto& [id, use] : progress->deks) {
    deks.push_back({{"id", HexEncode(id)}, {"files", use.files}, {"bytes", use.bytes}});
  }
  return {{"state", NameOf(progress->state)},
          {"percent", progress->percent()},
          {"bytes_per_second", progress->bytes_per_second},
          {"bytes_done", progress->bytes_done},
          {"bytes_total", progress->bytes_total},
          {"deks", deks},
          {"unreadable", progress->unreadable},
          {"problem", progress->problem},
          {"problem_code", progress->problem.empty() ? "" : InfoOf(progress->problem_code).name}};
}

json::object VerifyReportJson(const VerifyReport& report) {
  json::array faults;
  bool sound = true;
  for (const VerifyFault& fault : report.faults) {
    sound = sound && fault.readable;
    faults.push_back(
        {{"path", Printable(fault.path)}, {"what", fault.what}, {"readable", fault.readable}});
  }
  return {{"files", report.files},
          {"plaintext_bytes", report.plaintext_bytes},
          {"sound", sound},
          {"faults", faults}};
}

json::object KeyAccessJson(const KeyAccess& access) {
  return {{"key", access.uri.text()},
          {"principal", access.principal},
          {"external_id", access.external_id}};
}

Result<KeyAccess> KeyAccessFromJson(const json::object& object) {
  for (const std::string_view name : {"key", "principal", "external_id"}) {
    const json::value* value = object.if_contains(name);
    if (value != nullptr && !value->is_string()) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a text", name));
    }
  }
  KeyUri uri = TRY(KeyUri::Parse(TextOf(object, "key")));
  return KeyAccess{std::move(uri), TextOf(object, "principal"), TextOf(object, "external_id")};
}

}  // namespace freehold
