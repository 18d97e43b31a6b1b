#include "kms/embedded/vault/vault_state.h"

#include <boost/json.hpp>

#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

std::int64_t Millis(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.since_epoch).count();
}
WallTime TimeOf(std::int64_t millis) { return WallTime{std::chrono::milliseconds(millis)}; }

std::int64_t NumberOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}
bool IsTrue(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

json::array ArrayOf(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}
std::vector<std::string> TextsOf(const json::object& object, std::string_view name) {
  std::vector<std::string> texts;
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_array()) return texts;
  for (const json::value& text : value->get_array()) {
    if (text.is_string()) texts.emplace_back(text.get_string());
  }
  return texts;
}

void PutTime(json::object& object, std::string_view name, const std::optional<WallTime>& time) {
  if (time.has_value()) object[name] = Millis(*time);
}
std::optional<WallTime> MaybeTime(const json::object& object, std::string_view name) {
  if (!object.contains(name)) return std::nullopt;
  return TimeOf(NumberOf(object, name));
}

json::object Encode(const TransitKey& key) {
  json::array versions;
  for (const TransitVersion& version : key.versions) {
    versions.push_back(json::object{{"sealed", Base64Encode(version.sealed)},
                                    {"created", Millis(version.created)}});
  }
  return {{"versions", std::move(versions)},
          {"min_decryption_version", key.min_decryption_version},
          {"min_encryption_version", key.min_encryption_version},
          {"deletion_allowed", key.deletion_allowed},
          {"exportable", key.exportable},
          {"soft_deleted", key.soft_deleted},
          {"auto_rotate_seconds", key.auto_rotate_seconds}};
}

Result<TransitKey> DecodeKey(const json::object& object) {
  TransitKey key;
  const auto* versions = object.if_contains("versions");
  if (versions == nullptr || !versions->is_array() || versions->get_array().empty()) {
    return Error(ErrorCode::kFileCorrupt, "a transit key has no version");
  }
  for (const json::value& value : versions->get_array()) {
    if (!value.is_object()) return Error(ErrorCode::kFileCorrupt, "a key's version is no object");
    key.versions.push_back({TRY(Base64Decode(TextOf(value.get_object(), "sealed"))),
                            TimeOf(NumberOf(value.get_object(), "created"))});
  }
  key.min_decryption_version = static_cast<int>(NumberOf(object, "min_decryption_version"));
  key.min_encryption_version = static_cast<int>(NumberOf(object, "min_encryption_version"));
  key.deletion_allowed = IsTrue(object, "deletion_allowed");
  key.exportable = IsTrue(object, "exportable");
  key.soft_deleted = IsTrue(object, "soft_deleted");
  key.auto_rotate_seconds = NumberOf(object, "auto_rotate_seconds");
  return key;
}

json::object Encode(const Token& token) {
  json::object object{{"namespace", token.name_space},    {"display_name", token.display_name},
                      {"accessor", token.accessor},       {"policies", ArrayOf(token.policies)},
                      {"created", Millis(token.created)}, {"ttl", token.ttl_seconds},
                      {"max_ttl", token.max_ttl_seconds}, {"renewable", token.renewable},
                      {"is_batch", token.is_batch}};
  PutTime(object, "expires", token.expires);
  return object;
}

Result<Token> DecodeToken(const json::object& object) {
  return Token{TextOf(object, "namespace"),
               TextOf(object, "display_name"),
               TextOf(object, "accessor"),
               TextsOf(object, "policies"),
               TimeOf(NumberOf(object, "created")),
               MaybeTime(object, "expires"),
               NumberOf(object, "ttl"),
               NumberOf(object, "max_ttl"),
               IsTrue(object, "renewable"),
               IsTrue(object, "is_batch")};
}

json::object Encode(const LoginRole& role) {
  json::object secret_ids;
  for (const auto& [digest, secret_id] : role.secret_ids) {
    json::object one{{"uses_left", secret_id.uses_left}};
    PutTime(one, "expires", secret_id.expires);
    secret_ids[digest] = std::move(one);
  }
  return {{"policies", ArrayOf(role.policies)},
          {"ttl", role.ttl_seconds},
          {"max_ttl", role.max_ttl_seconds},
          {"is_batch", role.is_batch},
          {"role_id", role.role_id},
          {"secret_id_ttl", role.secret_id_ttl_seconds},
          {"secret_id_uses", role.secret_id_uses},
          {"secret_ids", std::move(secret_ids)},
          {"bound_audiences", ArrayOf(role.bound_audiences)},
          {"bound_subject", role.bound_subject}};
}

Result<LoginRole> DecodeRole(const json::object& object) {
  LoginRole role;
  role.policies = TextsOf(object, "policies");
  role.ttl_seconds = NumberOf(object, "ttl");
  role.max_ttl_seconds = NumberOf(object, "max_ttl");
  role.is_batch = IsTrue(object, "is_batch");
  role.role_id = TextOf(object, "role_id");
  role.secret_id_ttl_seconds = NumberOf(object, "secret_id_ttl");
  role.secret_id_uses = NumberOf(object, "secret_id_uses");
  for (const auto& [digest, value] : ObjectOf(object, "secret_ids")) {
    if (!value.is_object()) return Error(ErrorCode::kFileCorrupt, "a secret id is no object");
    role.secret_ids[std::string(digest)] = {MaybeTime(value.get_object(), "expires"),
                                            NumberOf(value.get_object(), "uses_left")};
  }
  role.bound_audiences = TextsOf(object, "bound_audiences");
  role.bound_subject = TextOf(object, "bound_subject");
  return role;
}

template <typename T>
json::object EncodeMap(const std::map<std::string, T>& map) {
  json::object object;
  for (const auto& [name, value] : map) {
    if constexpr (std::is_same_v<T, std::string>) {
      object[name] = value;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      object[name] = ArrayOf(value);
    } else {
      object[name] = Encode(value);
    }
  }
  return object;
}

template <typename T>
Status DecodeMap(const json::object& object, std::string_view name,
                 Result<T> (*decode)(const json::object&), std::map<std::string, T>& map) {
  for (const auto& [key, value] : ObjectOf(object, name)) {
    if (!value.is_object()) return Error(ErrorCode::kFileCorrupt, "an entry is no object");
    map.emplace(std::string(key), TRY(decode(value.get_object())));
  }
  return {};
}

}  // namespace

std::string EncodeVaultState(const VaultState& state) {
  return json::serialize(json::object{{"sealed", state.sealed},
                                      {"unseal_digest", state.unseal_digest},
                                      {"mounts", EncodeMap(state.mounts)},
                                      {"keys", EncodeMap(state.keys)},
                                      {"policies", EncodeMap(state.policies)},
                                      {"tokens", EncodeMap(state.tokens)},
                                      {"roles", EncodeMap(state.roles)},
                                      {"jwt_keys", EncodeMap(state.jwt_keys)},
                                      {"managed_keys", EncodeMap(state.managed_keys)},
                                      {"kms_entries", EncodeMap(state.kms_entries)}});
}

Result<VaultState> DecodeVaultState(std::string_view text) {
  boost::system::error_code failure;
  const auto value = json::parse({text.data(), text.size()}, failure);
  if (failure || !value.is_object()) {
    return Error(ErrorCode::kFileCorrupt, "the state is no JSON object");
  }
  const json::object& object = value.get_object();
  VaultState state;
  state.sealed = IsTrue(object, "sealed");
  state.unseal_digest = TextOf(object, "unseal_digest");
  const json::object& mounts = ObjectOf(object, "mounts");
  for (const auto& [path, type] : mounts) state.mounts[path] = TextOf(mounts, path);
  const json::object& policies = ObjectOf(object, "policies");
  for (const auto& [name, rules] : policies) state.policies[name] = TextOf(policies, name);
  const json::object& jwt_keys = ObjectOf(object, "jwt_keys");
  for (const auto& [path, keys] : jwt_keys) state.jwt_keys[path] = TextsOf(jwt_keys, path);
  TRY(DecodeMap(object, "keys", DecodeKey, state.keys));
  TRY(DecodeMap(object, "tokens", DecodeToken, state.tokens));
  TRY(DecodeMap(object, "roles", DecodeRole, state.roles));
  TRY(DecodeMap(object, "managed_keys", DecodeManagedKey, state.managed_keys));
  TRY(DecodeMap(object, "kms_entries", DecodeKmsEntry, state.kms_entries));
  return state;
}

}  // namespace freehold::embedded::vault
