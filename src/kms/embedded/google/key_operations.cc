// Keys: made, looked at, told to rotate.
#include "fmt/format.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/operations.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

constexpr std::int64_t kDay = 24 * 3600;
constexpr std::int64_t kUsualWait = 30 * kDay;

GoogleResult<std::map<std::string, std::string>> LabelsIn(const json::object& body) {
  std::map<std::string, std::string> labels;
  for (const auto& [name, value] : ObjectIn(body, "labels")) {
    if (!value.is_string()) return InvalidArgument("Invalid value at 'labels'");
    labels[std::string(name)] = std::string(value.get_string());
  }
  return labels;
}

GoogleStatus SetRotation(CryptoKey& key, const json::object& body, WallTime now) {
  key.rotation_period = GOOGLE_TRY(SecondsIn(body, "rotationPeriod"));
  key.next_rotation = GOOGLE_TRY(TimeIn(body, "nextRotationTime"));
  if (key.rotation_period != 0 && key.rotation_period < kDay) {
    return InvalidArgument("rotation_period must be at least 24 hours (86400s).");
  }
  if (key.rotation_period != 0 && !key.next_rotation.has_value()) {
    return InvalidArgument("next_rotation_time must be set when rotation_period is set.");
  }
  if (key.next_rotation.has_value() && *key.next_rotation < now) {
    return InvalidArgument("next_rotation_time must be in the future.");
  }
  return {};
}

GoogleResult<CryptoKey> KeyIn(const json::object& body, WallTime now) {
  const std::string purpose = GOOGLE_TRY(
      EnumIn(body, "purpose",
             {"", "ENCRYPT_DECRYPT", "", "", "", "ASYMMETRIC_SIGN", "ASYMMETRIC_DECRYPT"}));
  if (purpose != "ENCRYPT_DECRYPT") {
    return InvalidArgument("The only purpose that this KMS offers is ENCRYPT_DECRYPT.");
  }
  const std::string level = GOOGLE_TRY(
      EnumIn(ObjectIn(body, "versionTemplate"), "protectionLevel", {"", "SOFTWARE", "HSM"}));
  CryptoKey key;
  key.created = now;
  if (!level.empty()) key.protection_level = level;
  key.labels = GOOGLE_TRY(LabelsIn(body));
  key.destroy_wait = GOOGLE_TRY(SecondsIn(body, "destroyScheduledDuration"));
  if (key.destroy_wait == 0) key.destroy_wait = kUsualWait;
  if (key.destroy_wait > 120 * kDay) {
    return InvalidArgument("destroy_scheduled_duration must be at most 120 days.");
  }
  const auto* import_only = body.if_contains("importOnly");
  key.import_only = import_only != nullptr && import_only->is_bool() && import_only->get_bool();
  GOOGLE_TRY(SetRotation(key, body, now));
  return key;
}

}  // namespace

Answer CreateCryptoKey(Operation& op) {
  const auto query = op.target.query;
  const auto id = query.find("cryptoKeyId");
  const std::string ring = op.target.Parent();
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeys.create", ring));
  if (id == query.end() || !IsResourceId(id->second)) {
    return InvalidArgument("The crypto_key_id must match [a-zA-Z0-9_-]{1,63}.");
  }
  const auto skip = query.find("skipInitialVersionCreation");
  const bool has_version = skip == query.end() || skip->second != "true";
  CryptoKey key = GOOGLE_TRY(KeyIn(op.body, op.call.now));
  const std::string name = op.resource() + "/" + id->second;
  op.call.key = name;
  if (key.import_only && has_version) {
    return InvalidArgument("skip_initial_version_creation must be set for an import_only key.");
  }
  if (has_version) {
    key.versions[1] = GOOGLE_TRY(NewVersion(op.master, name, 1, op.call.now));
    key.primary = 1;
  }
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    if (!state.key_rings.contains(ring)) return NotFound("KeyRing " + ring);
    if (!state.keys.emplace(name, key).second) return AlreadyExists("CryptoKey " + name);
    return {};
  }));
  return ShowKey(name, key);
}

Answer GetCryptoKey(Operation& op) {
  op.call.key = op.resource();
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeys.get"));
  return ShowKey(op.resource(), *GOOGLE_TRY(FindKey(*op.state, op.resource())));
}

Answer ListCryptoKeys(Operation& op) {
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeys.list", op.target.Parent()));
  json::array keys;
  for (const auto& [name, key] : op.state->keys) {
    if (name.starts_with(op.resource() + "/")) keys.push_back(ShowKey(name, key));
  }
  return ShowList("cryptoKeys", std::move(keys));
}

Answer UpdateCryptoKey(Operation& op) {
  op.call.key = op.resource();
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeys.update"));
  const bool period = MaskNames(op.target, "rotationPeriod");
  const bool next = MaskNames(op.target, "nextRotationTime");
  const bool labels = MaskNames(op.target, "labels");
  if (!period && !next && !labels) {
    return InvalidArgument("update_mask names no field that can be changed here.");
  }
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    CryptoKey* key = GOOGLE_TRY(FindKey(state, op.resource()));
    if (labels) key->labels = GOOGLE_TRY(LabelsIn(op.body));
    if (!period && !next) return {};
    CryptoKey wanted;
    json::object body = op.body;
    if (!period) body["rotationPeriod"] = fmt::format("{}s", key->rotation_period);
    if (!next && key->next_rotation.has_value()) {
      body["nextRotationTime"] = FormatTime(*key->next_rotation);
    }
    GOOGLE_TRY(SetRotation(wanted, body, op.call.now));
    key->rotation_period = wanted.rotation_period;
    key->next_rotation = wanted.next_rotation;
    return {};
  }));
  return ShowKey(op.resource(), *GOOGLE_TRY(FindKey(*op.state, op.resource())));
}

Answer UpdatePrimaryVersion(Operation& op) {
  op.call.key = op.resource();
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeys.update"));
  const std::string id = TextIn(op.body, "cryptoKeyVersionId");
  const std::string name = op.resource() + "/cryptoKeyVersions/" + id;
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    const Version* version = GOOGLE_TRY(FindVersion(state, name));
    if (version->state != VersionState::kEnabled) return NotEnabled(name, version->state);
    GOOGLE_TRY(FindKey(state, op.resource()))->primary = ParseVersionName(name).number;
    return {};
  }));
  return ShowKey(op.resource(), *GOOGLE_TRY(FindKey(*op.state, op.resource())));
}

}  // namespace freehold::embedded::google
