#include "kms/embedded/azure/vault_call.h"

#include <algorithm>
#include <boost/json.hpp>

#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

std::string KeyUrl(const Vault& vault, const Key& key) {
  return fmt::format("https://{}/keys/{}", vault.host, key.name);
}

json::object Attributes(const Vault& vault, const KeyVersion& version) {
  json::object attributes{{"enabled", version.enabled},
                          {"created", SecondsOf(version.created)},
                          {"updated", SecondsOf(version.updated)}};
  if (version.not_before) attributes["nbf"] = SecondsOf(*version.not_before);
  if (version.expires) attributes["exp"] = SecondsOf(*version.expires);
  attributes["recoveryLevel"] = vault.purge_protection ? "Recoverable" : "Recoverable+Purgeable";
  attributes["recoverableDays"] = kRecoverableDays;
  attributes["exportable"] = false;
  return attributes;
}

json::object Tags(const Key& key) {
  json::object tags;
  for (const auto& [name, value] : key.tags) tags[name] = value;
  return tags;
}

AzureResult<std::optional<WallTime>> ReadTime(const json::object& attributes, const char* name,
                                              std::optional<WallTime> otherwise) {
  const auto* value = attributes.if_contains(name);
  if (value == nullptr || value->is_null()) return otherwise;
  if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > 4'000'000'000) {
    return BadParameter(fmt::format("Property '{}' is no time in seconds.", name));
  }
  return std::optional<WallTime>(TimeOf(value->get_int64()));
}

std::vector<std::string> DefaultOperations(const std::string& type) {
  if (type.starts_with("oct")) return {"encrypt", "decrypt", "wrapKey", "unwrapKey"};
  return {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"};
}

AzureStatus ReadOperations(const json::object& body, KeyVersion& version) {
  const auto* list = body.if_contains("key_ops");
  if (list == nullptr || list->is_null()) return {};
  if (!list->is_array()) return BadParameter("Property 'key_ops' is no list.");
  std::vector<std::string> operations;
  for (const json::value& each : list->get_array()) {
    const std::string name = each.is_string() ? std::string(each.get_string()) : "";
    if (name != "import" && !std::ranges::count(DefaultOperations("RSA"), name)) {
      return BadParameter("Property 'key_ops' has an unknown operation.");
    }
    operations.push_back(name);
  }
  version.operations = std::move(operations);
  return {};
}

}  // namespace

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return lower;
}

WallTime TimeOf(std::int64_t seconds) { return WallTime{std::chrono::seconds(seconds)}; }

std::int64_t SecondsOf(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
}

AzureResult<const Key*> VaultCall::FindKey() const {
  const auto found = vault.keys.find(LowerCase(name));
  if (found == vault.keys.end()) return KeyNotFound(name);
  return &found->second;
}

AzureResult<const KeyVersion*> VaultCall::FindVersion() const {
  const Key* key = AZURE_TRY(FindKey());
  if (version.empty()) return &key->newest();
  for (const KeyVersion& each : key->versions) {
    if (each.id == LowerCase(version)) return &each;
  }
  return KeyNotFound(name + "/" + version);
}

AzureStatus VaultCall::Change(const std::function<AzureStatus(Vault&)>& change) const {
  return store.Update<AzureStatus>(
      [&](State& next) -> AzureStatus {
        const auto found = next.vaults.find(vault.host);
        if (found == next.vaults.end()) {
          return AzureFailure{404, "VaultNotFound", "", "The vault was deleted."};
        }
        return change(found->second);
      },
      [](const Error& error) -> AzureStatus { return Broken(error); });
}

json::object KeyBundle(const Vault& vault, const Key& key, const KeyVersion& version) {
  json::object jwk{{"kid", fmt::format("{}/{}", KeyUrl(vault, key), version.id)},
                   {"kty", version.type},
                   {"key_ops", json::array(version.operations.begin(), version.operations.end())}};
  if (!version.modulus.empty()) {
    jwk["n"] = Base64UrlEncode(version.modulus);
    jwk["e"] = Base64UrlEncode(version.exponent);
  }
  return {{"key", std::move(jwk)}, {"attributes", Attributes(vault, version)}, {"tags", Tags(key)}};
}

json::object KeyItem(const Vault& vault, const Key& key, const KeyVersion& version,
                     bool with_version) {
  const std::string url = KeyUrl(vault, key);
  return {{"kid", with_version ? url + "/" + version.id : url},
          {"attributes", Attributes(vault, version)},
          {"tags", Tags(key)}};
}

json::object DeletedKeyBundle(const Vault& vault, const Key& key) {
  json::object bundle = KeyBundle(vault, key, key.newest());
  bundle["recoveryId"] = fmt::format("https://{}/deletedkeys/{}", vault.host, key.name);
  bundle["deletedDate"] = SecondsOf(key.deleted);
  bundle["scheduledPurgeDate"] = SecondsOf(key.deleted + std::chrono::hours(24 * kRecoverableDays));
  return bundle;
}

AzureResult<Bytes> SealMaterial(const MasterKey& master, const SecretBytes& material,
                                const std::string& version) {
  return AZURE_TRY(master.Seal(material, "azure key " + version));
}

AzureStatus ReadAttributes(const json::object& body, KeyVersion& version) {
  const json::object& attributes = ObjectOf(body, "attributes");
  if (const auto* enabled = attributes.if_contains("enabled");
      enabled != nullptr && !enabled->is_null()) {
    if (!enabled->is_bool()) return BadParameter("Property 'enabled' is no boolean.");
    version.enabled = enabled->get_bool();
  }
  version.expires = AZURE_TRY(ReadTime(attributes, "exp", version.expires));
  version.not_before = AZURE_TRY(ReadTime(attributes, "nbf", version.not_before));
  if (version.expires && version.not_before && *version.expires <= *version.not_before) {
    return BadParameter("Property 'exp' must be later than 'nbf'.");
  }
  return ReadOperations(body, version);
}

namespace {

AzureResult<KeyVersion> NewMaterial(const MasterKey& master, const std::string& type, int bits,
                                    WallTime now) {
  KeyVersion version;
  version.id = HexEncode(RandomBytes(16));
  version.type = type;
  version.created = version.updated = now;
  version.operations = DefaultOperations(type);
  if (type == "oct-HSM") {
    const SecretBytes material = RandomSecret(static_cast<std::size_t>(bits) / 8);
    version.sealed = AZURE_TRY(SealMaterial(master, material, version.id));
    return version;
  }
  const RsaKey key = AZURE_TRY(RsaKey::Generate(bits));
  version.modulus = key.Modulus();
  version.exponent = key.Exponent();
  version.sealed = AZURE_TRY(SealMaterial(master, key.PrivatePem(), version.id));
  return version;
}

}  // namespace

AzureResult<KeyVersion> NewVersion(const VaultCall& call, const std::string& type, int bits) {
  KeyVersion version = AZURE_TRY(NewMaterial(call.master, type, bits, call.now));
  AZURE_TRY(ReadAttributes(call.body, version));
  return version;
}

AzureResult<KeyVersion> NextVersion(const MasterKey& master, const Key& key, WallTime now) {
  const KeyVersion& newest = key.newest();
  int bits = static_cast<int>(newest.modulus.size()) * 8;
  if (newest.modulus.empty()) {
    const SecretBytes old = AZURE_TRY(master.Unseal(newest.sealed, "azure key " + newest.id));
    bits = static_cast<int>(old.size()) * 8;
  }
  KeyVersion version = AZURE_TRY(NewMaterial(master, newest.type, bits, now));
  version.operations = newest.operations;
  return version;
}

}  // namespace freehold::embedded::azure
