#include "kms/embedded/google/keys.h"

#include <charconv>

#include "base/log.h"
#include "fmt/format.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

constexpr std::string_view kVersions = "/cryptoKeyVersions/";

std::string LabelOf(const std::string& key, int number) {
  return "google key " + FormatVersionName(key, number);
}

GoogleFailure Failed(const Error& error) {
  LogError("kms", error.message());
  return Internal();
}

}  // namespace

VersionName ParseVersionName(const std::string& resource) {
  VersionName name;
  const auto at = resource.rfind(kVersions);
  name.key = resource.substr(0, at);
  if (at == std::string::npos) return name;
  const std::string_view number = std::string_view(resource).substr(at + kVersions.size());
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), name.number);
  if (error != std::errc() || end != number.data() + number.size()) name.number = 0;
  return name;
}

std::string FormatVersionName(const std::string& key, int number) {
  return fmt::format("{}{}{}", key, kVersions, number);
}

GoogleResult<const CryptoKey*> FindKey(const State& state, const std::string& name) {
  const auto key = state.keys.find(name);
  if (key == state.keys.end()) return NotFound("CryptoKey " + name);
  return &key->second;
}

GoogleResult<const Version*> FindVersion(const State& state, const std::string& resource) {
  const VersionName name = ParseVersionName(resource);
  const CryptoKey* key = GOOGLE_TRY(FindKey(state, name.key));
  const auto version = key->versions.find(name.number);
  if (version == key->versions.end()) return NotFound("CryptoKeyVersion " + resource);
  return &version->second;
}

GoogleResult<CryptoKey*> FindKey(State& state, const std::string& name) {
  return const_cast<CryptoKey*>(GOOGLE_TRY(FindKey(std::as_const(state), name)));
}

GoogleResult<Version*> FindVersion(State& state, const std::string& resource) {
  return const_cast<Version*>(GOOGLE_TRY(FindVersion(std::as_const(state), resource)));
}

GoogleResult<Bytes> SealMaterial(const MasterKey& master, const std::string& key, int number,
                                 const SecretBytes& material) {
  auto sealed = master.Seal(material, LabelOf(key, number));
  if (!sealed.ok()) return Failed(sealed.error());
  return *std::move(sealed);
}

GoogleResult<Version> NewVersion(const MasterKey& master, const std::string& key, int number,
                                 WallTime now) {
  Version version;
  version.created = now;
  version.material = GOOGLE_TRY(SealMaterial(master, key, number, RandomSecret(kKeySize)));
  return version;
}

Result<SecretBytes> UnsealMaterial(const MasterKey& master, const std::string& key, int number,
                                   const Version& version) {
  return master.Unseal(version.material, LabelOf(key, number));
}

json::object ShowVersion(const std::string& key_name, int number, const CryptoKey& key) {
  const Version& version = key.versions.at(number);
  json::object shown{{"name", FormatVersionName(key_name, number)},
                     {"state", NameOf(version.state)},
                     {"protectionLevel", key.protection_level},
                     {"algorithm", "GOOGLE_SYMMETRIC_ENCRYPTION"},
                     {"createTime", FormatTime(version.created)}};
  if (version.import_job.empty()) shown["generateTime"] = FormatTime(version.created);
  if (!version.import_job.empty()) {
    shown["importJob"] = version.import_job;
    shown["importTime"] = FormatTime(version.created);
    shown["reimportEligible"] = true;
  }
  if (version.destroy.has_value()) shown["destroyTime"] = FormatTime(*version.destroy);
  if (version.destroyed.has_value()) shown["destroyEventTime"] = FormatTime(*version.destroyed);
  return shown;
}

json::object ShowKey(const std::string& name, const CryptoKey& key) {
  json::object shown{
      {"name", name},
      {"purpose", "ENCRYPT_DECRYPT"},
      {"createTime", FormatTime(key.created)},
      {"versionTemplate",
       {{"protectionLevel", key.protection_level}, {"algorithm", "GOOGLE_SYMMETRIC_ENCRYPTION"}}},
      {"destroyScheduledDuration", fmt::format("{}s", key.destroy_wait)}};
  if (key.primary != 0) shown["primary"] = ShowVersion(name, key.primary, key);
  if (key.rotation_period > 0) shown["rotationPeriod"] = fmt::format("{}s", key.rotation_period);
  if (key.next_rotation.has_value()) shown["nextRotationTime"] = FormatTime(*key.next_rotation);
  if (key.import_only) shown["importOnly"] = true;
  json::object labels;
  for (const auto& [label, value] : key.labels) labels[label] = value;
  if (!labels.empty()) shown["labels"] = std::move(labels);
  return shown;
}

GoogleFailure NotEnabled(const std::string& version_name, VersionState state) {
  GoogleFailure failure = FailedPrecondition(
      fmt::format("{} is not enabled, current state is: {}.", version_name, NameOf(state)));
  failure.details.push_back(json::object{
      {"@type", "type.googleapis.com/google.rpc.PreconditionFailure"},
      {"violations",
       json::array{json::object{{"type", fmt::format("KEY_{}", NameOf(state))},
                                {"subject", "https://cloudkms.googleapis.com/v1/" + version_name},
                                {"description", failure.message}}}}});
  return failure;
}

json::object ShowList(std::string_view field, json::array items) {
  const std::size_t size = items.size();
  json::object list;
  if (size > 0) list[field] = std::move(items);
  list["totalSize"] = size;
  return list;
}

}  // namespace freehold::embedded::google
