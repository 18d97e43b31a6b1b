#include "kms/embedded/vault/keymgmt_state.h"

#include <boost/json.hpp>

#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

std::int64_t NumberOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

json::object Encode(const Distribution& distribution) {
  json::array versions;
  for (const std::string& id : distribution.versions) versions.emplace_back(id);
  return {{"kms", distribution.kms},
          {"name", distribution.name},
          {"protection", distribution.protection},
          {"versions", std::move(versions)}};
}

Result<Distribution> DecodeDistribution(const json::object& object) {
  Distribution distribution{
      TextOf(object, "kms"), TextOf(object, "name"), TextOf(object, "protection"), {}};
  const auto* versions = object.if_contains("versions");
  if (versions == nullptr || !versions->is_array()) {
    return Error(ErrorCode::kFileCorrupt, "a distributed key has no versions");
  }
  for (const json::value& id : versions->get_array()) {
    if (!id.is_string()) return Error(ErrorCode::kFileCorrupt, "a version's id is no text");
    distribution.versions.emplace_back(id.get_string());
  }
  return distribution;
}

}  // namespace

json::object Encode(const ManagedKey& key) {
  json::array versions;
  for (const ManagedVersion& version : key.versions) {
    const auto created = std::chrono::duration_cast<std::chrono::milliseconds>(  //
        version.created.since_epoch);
    versions.push_back(json::object{{"sealed", Base64Encode(version.sealed)},  //
                                    {"created", created.count()}});
  }
  json::object object{{"versions", std::move(versions)},
                      {"min_enabled_version", key.min_enabled_version},
                      {"deletion_allowed", key.deletion_allowed},
                      {"last_suffix", key.last_suffix}};
  if (key.distribution.has_value()) object["distribution"] = Encode(*key.distribution);
  return object;
}

json::object Encode(const KmsEntry& entry) {
  return {{"provider", entry.provider},
          {"key_collection", entry.key_collection},
          {"credentials", Base64Encode(entry.credentials)}};
}

Result<ManagedKey> DecodeManagedKey(const json::object& object) {
  ManagedKey key;
  const auto* versions = object.if_contains("versions");
  if (versions == nullptr || !versions->is_array() || versions->get_array().empty()) {
    return Error(ErrorCode::kFileCorrupt, "a managed key has no version");
  }
  for (const json::value& value : versions->get_array()) {
    if (!value.is_object()) return Error(ErrorCode::kFileCorrupt, "a key's version is no object");
    const json::object& version = value.get_object();
    key.versions.push_back({TRY(Base64Decode(TextOf(version, "sealed"))),
                            WallTime{std::chrono::milliseconds(NumberOf(version, "created"))}});
  }
  key.min_enabled_version = static_cast<int>(NumberOf(object, "min_enabled_version"));
  const auto* allowed = object.if_contains("deletion_allowed");
  key.deletion_allowed = allowed != nullptr && allowed->is_bool() && allowed->get_bool();
  key.last_suffix = NumberOf(object, "last_suffix");
  if (!object.contains("distribution")) return key;
  key.distribution = TRY(DecodeDistribution(ObjectOf(object, "distribution")));
  if (key.distribution->versions.size() != key.versions.size()) {
    return Error(ErrorCode::kFileCorrupt, "a distributed key lacks a version");
  }
  return key;
}

Result<KmsEntry> DecodeKmsEntry(const json::object& object) {
  Bytes credentials = TRY(Base64Decode(TextOf(object, "credentials")));
  return KmsEntry{TextOf(object, "provider"), TextOf(object, "key_collection"),
                  std::move(credentials)};
}

}  // namespace freehold::embedded::vault
