// kms/: where keys may be sent, and the keys that are there.
#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/embedded/vault/keymgmt.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

std::string LabelOf(const std::string& id) { return "keymgmt credentials " + id; }

VaultFailure NoKms(const KeymgmtCall& call, const std::string& kms) {
  return {400, fmt::format("there is no KMS provider {0} in {1}: write {1}/kms/{0} first", kms,
                           call.mount)};
}

// A text that may be left out, but not changed.
VaultResult<std::string> Fixed(const json::object& body, std::string_view name,
                               const std::string& before) {
  const std::string wanted = TextOf(body, name);
  if (before.empty() && wanted.empty()) {
    return VaultFailure{400, fmt::format("{} is missing", name)};
  }
  if (!before.empty() && !wanted.empty() && wanted != before) {
    return VaultFailure{400, fmt::format("{} cannot be changed", name)};
  }
  return wanted.empty() ? before : wanted;
}

VaultAnswer Write(const KeymgmtCall& call, const std::string& kms) {
  const Operation& op = call.op;
  const KmsEntry* before = FindKms(call, kms);
  KmsEntry entry = before == nullptr ? KmsEntry() : *before;
  entry.provider = VAULT_TRY(Fixed(op.body, "provider", entry.provider));
  entry.key_collection = VAULT_TRY(Fixed(op.body, "key_collection", entry.key_collection));
  VAULT_TRY(CheckCollection(entry.provider, entry.key_collection));
  if (before == nullptr || op.body.contains("credentials")) {
    const json::object credentials = VAULT_TRY(CredentialsIn(op.body, entry.provider));
    VAULT_TRY(OpenCollection(op, entry, credentials)->Prove());
    const SecretBytes text = SecretBytes::CopyOf(AsBytes(json::serialize(credentials)));
    auto sealed = op.master.Seal(text, LabelOf(call.mount + "/" + kms));
    if (!sealed.ok()) return VaultFailure{500, "internal error"};
    entry.credentials = *std::move(sealed);
  }
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    state.kms_entries[call.mount + "/" + kms] = entry;
    return {};
  }));
  return json::object();
}

VaultAnswer Read(const KeymgmtCall& call, const std::string& kms) {
  const KmsEntry* entry = FindKms(call, kms);
  if (entry == nullptr) return VaultFailure{404, ""};
  return json::object{
      {"data", {{"provider", entry->provider}, {"key_collection", entry->key_collection}}}};
}

VaultAnswer List(const KeymgmtCall& call) {
  json::array names;
  const std::string prefix = call.mount + "/";
  for (const auto& [id, entry] : call.op.state->kms_entries) {
    if (id.starts_with(prefix)) names.emplace_back(id.substr(prefix.size()));
  }
  return NamesAnswer(std::move(names));
}

json::array KeysAt(const KeymgmtCall& call, const std::string& kms) {
  json::array names;
  const std::string prefix = call.mount + "/";
  for (const auto& [id, key] : call.op.state->managed_keys) {
    if (!id.starts_with(prefix) || !key.distribution || key.distribution->kms != kms) continue;
    names.emplace_back(id.substr(prefix.size()));
  }
  return names;
}

VaultAnswer Delete(const KeymgmtCall& call, const std::string& kms) {
  if (const json::array keys = KeysAt(call, kms); !keys.empty()) {
    return VaultFailure{
        400, fmt::format("keys are distributed to {}, {} for one: remove them first", kms,
                         std::string(keys[0].as_string()))};
  }
  VAULT_TRY(call.op.Update([&](VaultState& state) -> VaultStatus {
    state.kms_entries.erase(call.mount + "/" + kms);
    return {};
  }));
  return json::object();
}

// 400 unless the purpose is what a symmetric key is for, in any order.
VaultStatus CheckPurpose(const json::object& body) {
  const std::vector<std::string> purpose = NamesOf(body, "purpose");
  bool encrypts = false;
  bool decrypts = false;
  for (const std::string& each : purpose) {
    encrypts |= each == "encrypt";
    decrypts |= each == "decrypt";
    if (each == "encrypt" || each == "decrypt") continue;
    return VaultFailure{400, fmt::format("purpose {} is not one of an aes256-gcm96 key: "
                                         "encrypt,decrypt",
                                         Printable(each))};
  }
  if (encrypts && decrypts) return {};
  return VaultFailure{400, "an aes256-gcm96 key has the purpose encrypt,decrypt"};
}

VaultStatus DisableOld(KeyCollection& collection, const ManagedKey& key) {
  for (int version = 1; version < key.min_enabled_version; ++version) {
    VAULT_TRY(collection.SetEnabled(
        key.distribution->versions[static_cast<std::size_t>(version - 1)], false));
  }
  return {};
}

VaultStatus SendAll(const KeymgmtCall& call, KeyCollection& collection, ManagedKey& key) {
  for (const ManagedVersion& version : key.versions) {
    const SecretBytes material = VAULT_TRY(MaterialOf(call, version));
    key.distribution->versions.push_back(VAULT_TRY(collection.Import(*key.distribution, material)));
  }
  VAULT_TRY(collection.Point(*key.distribution, true));
  VAULT_TRY(DisableOld(collection, key));
  return call.Remember(key);
}

// Parameters cannot be changed; the same once more is no mistake.
VaultAnswer DistributedAlready(const KeymgmtCall& call, const Distribution& now,
                               const std::string& kms, const std::string& protection) {
  if (now.kms == kms && now.protection == protection) return json::object();
  if (now.kms == kms) return VaultFailure{400, "protection cannot be changed"};
  return VaultFailure{400, fmt::format("key {} is distributed to {} already, and can be in one KMS",
                                       call.name, now.kms)};
}

VaultAnswer Distribute(const KeymgmtCall& call, const std::string& kms) {
  const KmsEntry* entry = FindKms(call, kms);
  if (entry == nullptr) return NoKms(call, kms);
  const ManagedKey* current = call.FindKey();
  if (current == nullptr) {
    return VaultFailure{400, fmt::format("there is no key {} in {}", call.name, call.mount)};
  }
  VAULT_TRY(CheckPurpose(call.op.body));
  std::string protection = TextOf(call.op.body, "protection");
  if (protection.empty()) protection = "hsm";
  VAULT_TRY(CheckProtection(entry->provider, protection));
  if (current->distribution) {
    return DistributedAlready(call, *current->distribution, kms, protection);
  }
  const auto collection = VAULT_TRY(CollectionOf(call, kms));
  ManagedKey key = *current;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(call.op.call.now.since_epoch).count();
  key.last_suffix = std::max<std::int64_t>(now, key.last_suffix + 1);
  key.distribution =
      Distribution{kms, collection->NameOf(call.name, key.last_suffix), protection, {}};
  VAULT_TRY(collection->Begin(*key.distribution));
  const auto sent = SendAll(call, *collection, key);
  if (sent.ok()) return json::object();
  if (auto removed = collection->Remove(*key.distribution); !removed.ok()) {
    return VaultFailure{sent.error().status, fmt::format("{}; what was made there stays: {}",
                                                         sent.error().text, removed.error().text)};
  }
  return sent.error();
}

const Distribution* FindDistribution(const KeymgmtCall& call, const std::string& kms) {
  const ManagedKey* key = call.FindKey();
  if (key == nullptr || !key->distribution || key->distribution->kms != kms) return nullptr;
  return &*key->distribution;
}

VaultAnswer ReadDistributed(const KeymgmtCall& call, const std::string& kms) {
  const Distribution* distribution = FindDistribution(call, kms);
  if (distribution == nullptr) return VaultFailure{404, ""};
  json::object versions;
  for (std::size_t i = 0; i < distribution->versions.size(); ++i) {
    versions[std::to_string(i + 1)] = distribution->versions[i];
  }
  return json::object{{"data",
                       {{"name", distribution->name},
                        {"purpose", "encrypt,decrypt"},
                        {"protection", distribution->protection},
                        {"versions", std::move(versions)}}}};
}

VaultAnswer RemoveDistributed(const KeymgmtCall& call, const std::string& kms) {
  const Distribution* distribution = FindDistribution(call, kms);
  if (distribution == nullptr) {
    return VaultFailure{400, fmt::format("key {} is not distributed to {}", call.name, kms)};
  }
  const auto collection = VAULT_TRY(CollectionOf(call, kms));
  VAULT_TRY(collection->Remove(*distribution));
  ManagedKey key = *call.FindKey();
  key.distribution.reset();
  VAULT_TRY(call.Remember(key));
  return json::object();
}

VaultAnswer RunEntry(const KeymgmtCall& call, const std::string& kms) {
  const std::string& method = call.op.method;
  if (method == "POST") return Write(call, kms);
  if (method == "GET") return Read(call, kms);
  if (method == "DELETE") return Delete(call, kms);
  return VaultFailure{405, "unsupported operation"};
}

VaultAnswer RunDistributed(const KeymgmtCall& call, const std::string& kms) {
  call.op.call.key = call.key_id();
  const std::string& method = call.op.method;
  if (method == "POST") return Distribute(call, kms);
  if (method == "GET") return ReadDistributed(call, kms);
  if (method == "DELETE") return RemoveDistributed(call, kms);
  return VaultFailure{405, "unsupported operation"};
}

}  // namespace

const KmsEntry* FindKms(const KeymgmtCall& call, const std::string& kms) {
  const auto found = call.op.state->kms_entries.find(call.mount + "/" + kms);
  return found == call.op.state->kms_entries.end() ? nullptr : &found->second;
}

VaultResult<std::unique_ptr<KeyCollection>> CollectionOf(const KeymgmtCall& call,
                                                         const std::string& kms) {
  const KmsEntry* entry = FindKms(call, kms);
  if (entry == nullptr) return NoKms(call, kms);
  const auto text = call.op.master.Unseal(entry->credentials, LabelOf(call.mount + "/" + kms));
  if (!text.ok()) return VaultFailure{500, "internal error"};
  boost::system::error_code failure;
  const std::string_view view = AsText(text->ExposeSecret());
  auto credentials = json::parse({view.data(), view.size()}, failure);
  if (failure || !credentials.is_object()) return VaultFailure{500, "internal error"};
  return OpenCollection(call.op, *entry, std::move(credentials.get_object()));
}

VaultAnswer RunKmsEntries(const KeymgmtCall& call, const std::vector<std::string>& rest) {
  const bool is_list = call.op.method == "LIST";
  if (rest.size() == 1 && is_list) return List(call);
  if (rest.size() == 2) return RunEntry(call, rest[1]);
  if (rest.size() < 3 || rest.size() > 4 || rest[2] != "key") {
    return VaultFailure{404, "unsupported path"};
  }
  if (rest.size() == 4) return RunDistributed({call.op, call.mount, rest[3]}, rest[1]);
  if (is_list) return NamesAnswer(KeysAt(call, rest[1]));
  return VaultFailure{405, "unsupported operation"};
}

}  // namespace freehold::embedded::vault
