#include "kms/embedded/vault/keymgmt.h"

#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr std::string_view kType = "aes256-gcm96";

// What every KMS takes as a part of a key's name, with a suffix to come.
bool IsKeyName(std::string_view name) {
  return name.size() <= 48 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_';
         });
}

VaultFailure NoKey(const KeymgmtCall& call) {
  return {400, fmt::format("there is no key {} in {}", call.name, call.mount)};
}

VaultResult<ManagedVersion> NewVersion(const KeymgmtCall& call) {
  auto sealed = call.op.master.Seal(RandomSecret(kKeySize), "keymgmt " + call.key_id());
  if (!sealed.ok()) return VaultFailure{500, "internal error"};
  return ManagedVersion{*std::move(sealed), call.op.call.now};
}

VaultAnswer Create(const KeymgmtCall& call) {
  const std::string type = TextOf(call.op.body, "type");
  if (type != kType) {
    return VaultFailure{
        400, fmt::format("key type {} is not offered here, only {}",
                         type.empty() ? "rsa-2048 (the default)" : Printable(type), kType)};
  }
  if (!IsKeyName(call.name)) {
    return VaultFailure{400, "a key's name has letters, digits, '-' and '_', at most 48 of them"};
  }
  ManagedKey key;
  key.versions.push_back(VAULT_TRY(NewVersion(call)));
  VAULT_TRY(call.Remember(key));
  return json::object();
}

VaultStatus SetMinEnabled(const KeymgmtCall& call, ManagedKey& key, std::int64_t wanted) {
  if (wanted < 0 || wanted > key.latest()) {
    return VaultFailure{400, fmt::format("min_enabled_version must be between 0 and {}, the latest "
                                         "version",
                                         key.latest())};
  }
  if (key.distribution.has_value() && wanted != key.min_enabled_version) {
    const auto collection = VAULT_TRY(CollectionOf(call, key.distribution->kms));
    for (int version = 1; version <= key.latest(); ++version) {
      const bool was = version >= key.min_enabled_version;
      const bool is = version >= wanted;
      const std::string& id = key.distribution->versions[static_cast<std::size_t>(version - 1)];
      if (was != is) VAULT_TRY(collection->SetEnabled(id, is));
    }
  }
  key.min_enabled_version = static_cast<int>(wanted);
  return {};
}

VaultAnswer Update(const KeymgmtCall& call, ManagedKey key) {
  const json::object& body = call.op.body;
  const std::string type = TextOf(body, "type");
  if (!type.empty() && type != kType) {
    return VaultFailure{400, "the type of a key cannot be changed"};
  }
  if (body.contains("min_enabled_version")) {
    const int wanted = VAULT_TRY(CountOf(body, "min_enabled_version", key.min_enabled_version));
    VAULT_TRY(SetMinEnabled(call, key, wanted));
  }
  key.deletion_allowed = BoolOf(body, "deletion_allowed", key.deletion_allowed);
  VAULT_TRY(call.Remember(key));
  return json::object();
}

VaultAnswer Read(const KeymgmtCall& call) {
  const ManagedKey* key = call.FindKey();
  if (key == nullptr) return VaultFailure{404, ""};
  json::object versions;
  for (int version = 1; version <= key->latest(); ++version) {
    const WallTime created = key->versions[static_cast<std::size_t>(version - 1)].created;
    versions[std::to_string(version)] = json::object{{"creation_time", FormatTime(created)}};
  }
  return json::object{{"data",
                       {{"name", call.name},
                        {"type", kType},
                        {"keys", std::move(versions)},
                        {"latest_version", key->latest()},
                        {"min_enabled_version", key->min_enabled_version},
                        {"deletion_allowed", key->deletion_allowed}}}};
}

VaultAnswer List(const KeymgmtCall& call) {
  json::array names;
  const std::string prefix = call.mount + "/";
  for (const auto& [id, key] : call.op.state->managed_keys) {
    if (id.starts_with(prefix)) names.emplace_back(id.substr(prefix.size()));
  }
  return NamesAnswer(std::move(names));
}

VaultAnswer Rotate(const KeymgmtCall& call) {
  const ManagedKey* current = call.FindKey();
  if (current == nullptr) return NoKey(call);
  ManagedKey key = *current;
  key.versions.push_back(VAULT_TRY(NewVersion(call)));
  if (!key.distribution.has_value()) {
    VAULT_TRY(call.Remember(key));
    return json::object();
  }
  const auto collection = VAULT_TRY(CollectionOf(call, key.distribution->kms));
  const SecretBytes material = VAULT_TRY(MaterialOf(call, key.versions.back()));
  const std::string id = VAULT_TRY(collection->Import(*key.distribution, material));
  key.distribution->versions.push_back(id);
  auto done = collection->Point(*key.distribution, false);
  if (done.ok()) done = call.Remember(key);
  if (done.ok()) return json::object();
  if (auto removed = collection->RemoveVersion(id); !removed.ok()) {
    return VaultFailure{done.error().status, fmt::format("{}; its new version stays there: {}",
                                                         done.error().text, removed.error().text)};
  }
  return done.error();
}

VaultAnswer Delete(const KeymgmtCall& call) {
  const ManagedKey* key = call.FindKey();
  if (key == nullptr) return json::object();
  if (key->distribution.has_value()) {
    return VaultFailure{400, fmt::format("key {} is distributed to {}: remove it there first",
                                         call.name, key->distribution->kms)};
  }
  if (!key->deletion_allowed) return VaultFailure{400, "deletion is not allowed for this key"};
  VAULT_TRY(call.op.Update([&](VaultState& state) -> VaultStatus {
    state.managed_keys.erase(call.key_id());
    return {};
  }));
  return json::object();
}

VaultAnswer ListProviders(const KeymgmtCall& call) {
  const ManagedKey* key = call.FindKey();
  json::array names;
  if (key != nullptr && key->distribution.has_value()) names.emplace_back(key->distribution->kms);
  return NamesAnswer(std::move(names));
}

VaultAnswer RunKeys(const KeymgmtCall& call, const std::string& what) {
  const std::string& method = call.op.method;
  const ManagedKey* key = call.FindKey();
  if (what.empty() && method == "POST") return key == nullptr ? Create(call) : Update(call, *key);
  if (what.empty() && method == "GET") return Read(call);
  if (what.empty() && method == "DELETE") return Delete(call);
  if (what == "rotate" && method == "POST") return Rotate(call);
  if (what == "kms" && method == "LIST") return ListProviders(call);
  return VaultFailure{405, "unsupported operation"};
}

VaultAnswer Route(const Operation& op, const std::string& mount,
                  const std::vector<std::string>& rest) {
  const std::size_t parts = rest.size();
  if (parts > 0 && rest[0] == "kms") return RunKmsEntries({op, mount, ""}, rest);
  if (parts == 0 || parts > 3 || rest[0] != "key") return VaultFailure{404, "unsupported path"};
  const KeymgmtCall call{op, mount, parts > 1 ? rest[1] : ""};
  if (parts == 1) {
    if (op.method == "LIST") return List(call);
    return VaultFailure{405, "unsupported operation"};
  }
  op.call.key = call.key_id();
  return RunKeys(call, parts == 3 ? rest[2] : "");
}

}  // namespace

const ManagedKey* KeymgmtCall::FindKey() const {
  const auto found = op.state->managed_keys.find(key_id());
  return found == op.state->managed_keys.end() ? nullptr : &found->second;
}

VaultStatus KeymgmtCall::Remember(const ManagedKey& key) const {
  return op.Update([&](VaultState& state) -> VaultStatus {
    state.managed_keys[key_id()] = key;
    return {};
  });
}

VaultResult<SecretBytes> MaterialOf(const KeymgmtCall& call, const ManagedVersion& version) {
  auto material = call.op.master.Unseal(version.sealed, "keymgmt " + call.key_id());
  if (!material.ok()) return VaultFailure{500, "internal error"};
  return *std::move(material);
}

VaultAnswer NamesAnswer(json::array names) {
  if (names.empty()) return VaultFailure{404, ""};
  return json::object{{"data", {{"keys", std::move(names)}}}};
}

VaultAnswer RunKeymgmt(const Operation& op, const std::string& mount,
                       const std::vector<std::string>& rest) {
  if (op.method == "GET" || op.method == "LIST") return Route(op, mount, rest);
  const std::lock_guard lock(op.one_at_a_time);
  Operation latest = op;
  latest.state = op.store.Read();
  return Route(latest, mount, rest);
}

}  // namespace freehold::embedded::vault
