// Operations on keys: make, look, change, delete, recover, purge.
#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/embedded/azure/vault_call.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

AzureResult<int> BitsIn(const json::object& body, int otherwise, std::vector<int> allowed) {
  const auto* value = body.if_contains("key_size");
  if (value == nullptr || value->is_null()) return otherwise;
  const std::int64_t bits = value->is_int64() ? value->get_int64() : 0;
  if (std::ranges::count(allowed, bits) == 0) return BadParameter("Property 'key_size' is invalid");
  return static_cast<int>(bits);
}

std::map<std::string, std::string> TagsIn(const json::object& body) {
  std::map<std::string, std::string> tags;
  for (const auto& [name, value] : ObjectOf(body, "tags")) {
    if (value.is_string()) tags[std::string(name)] = std::string(value.get_string());
  }
  return tags;
}

VaultResult Page(json::array items) {
  return VaultAnswer{{{"value", std::move(items)}, {"nextLink", nullptr}}};
}

}  // namespace

AzureStatus CheckName(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 127 &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-") == std::string::npos;
  if (good) return {};
  return BadParameter("The request URI contains an invalid name.");
}

VaultResult CreateKey(VaultCall& call) {
  AZURE_TRY(CheckName(call.name));
  const std::string type = TextOf(call.body, "kty");
  std::string kept = type;
  int bits = 0;
  if (type == "RSA" || type == "RSA-HSM") {
    bits = AZURE_TRY(BitsIn(call.body, 2048, {2048, 3072, 4096}));
    if (call.vault.is_hsm()) kept = "RSA-HSM";
  } else if (call.vault.is_hsm() && (type == "oct" || type == "oct-HSM")) {
    bits = AZURE_TRY(BitsIn(call.body, 256, {128, 192, 256}));
    kept = "oct-HSM";
  } else {
    return BadParameter(fmt::format("Key type '{}' is not supported.", Printable(type)));
  }
  const KeyVersion version = AZURE_TRY(NewVersion(call, kept, bits));
  json::object bundle;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    const std::string id = LowerCase(call.name);
    if (vault.deleted_keys.contains(id)) {
      return AzureFailure{409, "Conflict", "ObjectIsDeletedButRecoverable",
                          fmt::format("Key {} is currently in a deleted but recoverable state, and "
                                      "its name cannot be reused; in this state, the key can only "
                                      "be recovered or purged.",
                                      call.name)};
    }
    Key& key = vault.keys[id];
    if (key.name.empty()) key.name = call.name;
    key.tags = TagsIn(call.body);
    key.versions.push_back(version);
    bundle = KeyBundle(vault, key, version);
    return {};
  }));
  return VaultAnswer{std::move(bundle)};
}

VaultResult GetKey(VaultCall& call) {
  const Key* key = AZURE_TRY(call.FindKey());
  return VaultAnswer{KeyBundle(call.vault, *key, *AZURE_TRY(call.FindVersion()))};
}

VaultResult ListKeys(VaultCall& call) {
  json::array items;
  for (const auto& [id, key] : call.vault.keys) {
    items.emplace_back(KeyItem(call.vault, key, key.newest(), false));
  }
  return Page(std::move(items));
}

VaultResult ListVersions(VaultCall& call) {
  const Key* key = AZURE_TRY(call.FindKey());
  json::array items;
  for (const KeyVersion& version : key->versions) {
    items.emplace_back(KeyItem(call.vault, *key, version, true));
  }
  return Page(std::move(items));
}

VaultResult UpdateKey(VaultCall& call) {
  const std::string id = AZURE_TRY(call.FindVersion())->id;
  json::object bundle;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    const auto found = vault.keys.find(LowerCase(call.name));
    if (found == vault.keys.end()) return KeyNotFound(call.name);  // since we looked
    Key& key = found->second;
    for (KeyVersion& version : key.versions) {
      if (version.id != id) continue;
      AZURE_TRY(ReadAttributes(call.body, version));
      version.updated = call.now;
      if (call.body.contains("tags")) key.tags = TagsIn(call.body);
      bundle = KeyBundle(vault, key, version);
    }
    return {};
  }));
  return VaultAnswer{std::move(bundle)};
}

VaultResult DeleteKey(VaultCall& call) {
  AZURE_TRY(call.FindKey());
  json::object bundle;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    auto node = vault.keys.extract(LowerCase(call.name));
    if (node.empty()) return KeyNotFound(call.name);
    node.mapped().deleted = call.now;
    bundle = DeletedKeyBundle(vault, node.mapped());
    vault.deleted_keys.insert(std::move(node));
    return {};
  }));
  return VaultAnswer{std::move(bundle)};
}

VaultResult GetDeletedKey(VaultCall& call) {
  const auto found = call.vault.deleted_keys.find(LowerCase(call.name));
  if (found == call.vault.deleted_keys.end()) return KeyNotFound(call.name);
  return VaultAnswer{DeletedKeyBundle(call.vault, found->second)};
}

VaultResult ListDeletedKeys(VaultCall& call) {
  json::array items;
  for (const auto& [id, key] : call.vault.deleted_keys) {
    json::object item = DeletedKeyBundle(call.vault, key);
    item["kid"] = fmt::format("https://{}/keys/{}", call.vault.host, key.name);
    item.erase("key");
    items.emplace_back(std::move(item));
  }
  return Page(std::move(items));
}

VaultResult RecoverKey(VaultCall& call) {
  json::object bundle;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    auto node = vault.deleted_keys.extract(LowerCase(call.name));
    if (node.empty()) return KeyNotFound(call.name);
    bundle = KeyBundle(vault, node.mapped(), node.mapped().newest());
    vault.keys.insert(std::move(node));
    return {};
  }));
  return VaultAnswer{std::move(bundle)};
}

VaultResult PurgeKey(VaultCall& call) {
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    if (!vault.deleted_keys.contains(LowerCase(call.name))) return KeyNotFound(call.name);
    if (vault.purge_protection) {
      return AzureFailure{403, "Forbidden", "",
                          fmt::format("Operation \"purge\" is not allowed because purge protection "
                                      "is enabled for this vault. Key Vault service will "
                                      "automatically purge it after the retention period has "
                                      "passed.\r\nVault: {}",
                                      vault.host)};
    }
    vault.deleted_keys.erase(LowerCase(call.name));
    return {};
  }));
  return VaultAnswer{{}, 204};
}

}  // namespace freehold::embedded::azure
