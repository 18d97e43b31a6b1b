// The transit engine: keys, their versions, and what is encrypted with them.
#include <boost/json.hpp>
#include <charconv>

#include "fmt/format.h"
#include "kms/embedded/vault/operation.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr std::string_view kType = "aes256-gcm96";
constexpr std::string_view kTooOld =
    "ciphertext or signature version is disallowed by policy (too old)";

struct TransitCall {
  const Operation& op;
  std::string id;  // "transit/k"
  std::string label(int version) const { return fmt::format("transit {} v{}", id, version); }

  VaultResult<const TransitKey*> Key() const {
    const auto found = op.state->keys.find(id);
    if (found == op.state->keys.end()) return VaultFailure{400, "encryption key not found"};
    if (found->second.soft_deleted) return VaultFailure{400, "key is soft deleted"};
    return &found->second;
  }
};

VaultResult<TransitVersion> NewVersion(const TransitCall& call, int number) {
  auto sealed = call.op.master.Seal(RandomSecret(kKeySize), call.label(number));
  if (!sealed.ok()) return VaultFailure{500, "internal error"};
  return TransitVersion{*std::move(sealed), call.op.call.now};
}

VaultResult<Bytes> Base64Of(const json::object& body, std::string_view name) {
  auto bytes = Base64Decode(TextOf(body, name));
  if (!bytes.ok()) return VaultFailure{400, fmt::format("failed to base64-decode {}", name)};
  return *std::move(bytes);
}

VaultResult<std::int64_t> AutoRotateOf(const json::object& body, std::int64_t otherwise) {
  const std::int64_t seconds = VAULT_TRY(SecondsOf(body, "auto_rotate_period", otherwise));
  if (seconds == 0 || seconds >= 3600) return seconds;
  return VaultFailure{400, "auto rotate period must be 0 to disable or at least an hour"};
}

VaultAnswer Create(const TransitCall& call) {
  const json::object& body = call.op.body;
  const std::string type = TextOf(body, "type");
  if (!type.empty() && type != kType) {
    return VaultFailure{400,
                        fmt::format("unknown key type {}: only {} is offered here", type, kType)};
  }
  if (BoolOf(body, "derived", false) || BoolOf(body, "convergent_encryption", false)) {
    return VaultFailure{400, "derived and convergent keys are not offered here"};
  }
  if (call.op.state->keys.contains(call.id)) return json::object();
  TransitKey key;
  key.exportable = BoolOf(body, "exportable", false);
  key.auto_rotate_seconds = VAULT_TRY(AutoRotateOf(body, 0));
  key.versions.push_back(VAULT_TRY(NewVersion(call, 1)));
  VAULT_TRY(call.op.Update([&](VaultState& state) -> VaultStatus {
    state.keys.try_emplace(call.id, key);
    return {};
  }));
  return json::object();
}

VaultAnswer Read(const TransitCall& call) {
  const auto found = call.op.state->keys.find(call.id);
  if (found == call.op.state->keys.end()) return VaultFailure{404, ""};
  const TransitKey& key = found->second;
  json::object versions;
  for (int i = 1; i <= key.latest(); ++i) {
    const auto created = key.versions[static_cast<std::size_t>(i - 1)].created.since_epoch;
    versions[std::to_string(i)] = std::chrono::duration_cast<std::chrono::seconds>(created).count();
  }
  return json::object{{"data",
                       {{"name", call.op.parts.back()},
                        {"type", kType},
                        {"keys", std::move(versions)},
                        {"latest_version", key.latest()},
                        {"min_decryption_version", key.min_decryption_version},
                        {"min_encryption_version", key.min_encryption_version},
                        {"deletion_allowed", key.deletion_allowed},
                        {"exportable", key.exportable},
                        {"soft_deleted", key.soft_deleted},
                        {"auto_rotate_period", key.auto_rotate_seconds},
                        {"derived", false},
                        {"supports_encryption", true},
                        {"supports_decryption", true},
                        {"supports_derivation", true},
                        {"supports_signing", false}}}};
}

VaultAnswer Configure(const TransitCall& call) {
  const json::object& body = call.op.body;
  const auto change = [&](VaultState& state) -> VaultStatus {
    const auto found = state.keys.find(call.id);
    if (found == state.keys.end())
      return VaultFailure{400, "no existing key named that could be found"};
    TransitKey& key = found->second;
    const int decryption =
        VAULT_TRY(CountOf(body, "min_decryption_version", key.min_decryption_version));
    const int encryption =
        VAULT_TRY(CountOf(body, "min_encryption_version", key.min_encryption_version));
    if (decryption > key.latest()) {
      return VaultFailure{400, fmt::format("cannot set min decryption version of {}, latest key "
                                           "version is {}",
                                           decryption, key.latest())};
    }
    if (encryption > key.latest()) {
      return VaultFailure{400, fmt::format("cannot set min encryption version of {}, latest key "
                                           "version is {}",
                                           encryption, key.latest())};
    }
    key.min_decryption_version = std::max(decryption, 1);
    key.min_encryption_version = encryption;
    key.deletion_allowed = BoolOf(body, "deletion_allowed", key.deletion_allowed);
    key.auto_rotate_seconds = VAULT_TRY(AutoRotateOf(body, key.auto_rotate_seconds));
    return {};
  };
  VAULT_TRY(call.op.Update(change));
  return json::object();
}

VaultAnswer Rotate(const TransitCall& call) {
  const TransitKey* key = VAULT_TRY(call.Key());
  const auto version = VAULT_TRY(NewVersion(call, key->latest() + 1));
  VAULT_TRY(call.op.Update([&](VaultState& state) -> VaultStatus {
    TransitKey& current = state.keys[call.id];
    if (current.latest() != key->latest()) return VaultFailure{500, "try again"};
    current.versions.push_back(version);
    return {};
  }));
  return json::object();
}

VaultAnswer Delete(const TransitCall& call) {
  VAULT_TRY(call.op.Update([&](VaultState& state) -> VaultStatus {
    const auto found = state.keys.find(call.id);
    if (found == state.keys.end()) return VaultFailure{400, "could not delete key; not found"};
    if (!found->second.deletion_allowed) {
      return VaultFailure{400, "deletion is not allowed for this key"};
    }
    state.keys.erase(found);
    return {};
  }));
  return json::object();
}

VaultAnswer SoftDelete(const TransitCall& call, bool deleted) {
  VAULT_TRY(call.op.Update([&](VaultState& state) -> VaultStatus {
    const auto found = state.keys.find(call.id);
    if (found == state.keys.end()) return VaultFailure{400, "encryption key not found"};
    found->second.soft_deleted = deleted;
    return {};
  }));
  return json::object();
}

VaultResult<SecretBytes> Material(const TransitCall& call, const TransitKey& key, int version) {
  auto material = call.op.master.Unseal(key.versions[static_cast<std::size_t>(version - 1)].sealed,
                                        call.label(version));
  if (!material.ok()) return VaultFailure{500, "internal error"};
  return *std::move(material);
}

VaultResult<json::object> EncryptBytes(const TransitCall& call, ByteView plaintext) {
  const TransitKey* key = VAULT_TRY(call.Key());
  const int version = VAULT_TRY(CountOf(call.op.body, "key_version", key->latest()));
  if (version < std::max(key->min_encryption_version, 1) || version > key->latest()) {
    return VaultFailure{400, "requested version for encryption is not allowed"};
  }
  const Bytes context = VAULT_TRY(Base64Of(call.op.body, "associated_data"));
  const SecretBytes material = VAULT_TRY(Material(call, *key, version));
  const auto sealed = GcmEncrypt(material, context, plaintext);
  if (!sealed.ok()) return VaultFailure{500, "internal error"};
  return json::object{{"ciphertext", fmt::format("vault:v{}:{}", version, Base64Encode(*sealed))},
                      {"key_version", version}};
}

VaultResult<SecretBytes> DecryptBytes(const TransitCall& call) {
  const TransitKey* key = VAULT_TRY(call.Key());
  const std::string text = TextOf(call.op.body, "ciphertext");
  if (text.empty()) return VaultFailure{400, "missing ciphertext to decrypt"};
  const auto colon = text.find(':', 7);
  int version = 0;
  if (!text.starts_with("vault:v") || colon == std::string::npos ||
      std::from_chars(text.data() + 7, text.data() + colon, version).ptr != text.data() + colon) {
    return VaultFailure{400, "invalid ciphertext: no prefix"};
  }
  if (version > key->latest()) return VaultFailure{400, "invalid ciphertext: version is too new"};
  if (version < key->min_decryption_version || version < 1) {
    return VaultFailure{400, std::string(kTooOld)};
  }
  const auto sealed = Base64Decode(std::string_view(text).substr(colon + 1));
  if (!sealed.ok() || sealed->size() < kGcmNonceSize + kGcmTagSize) {
    return VaultFailure{400, "invalid ciphertext: could not decode base64"};
  }
  const Bytes context = VAULT_TRY(Base64Of(call.op.body, "associated_data"));
  const SecretBytes material = VAULT_TRY(Material(call, *key, version));
  auto plaintext = GcmDecrypt(material, context, *sealed);
  // As releases since 1.6 do it: a failure of the library's, and not the client's.
  if (!plaintext.ok())
    return VaultFailure{500, "1 error occurred:\n\t* cipher: message authentication failed\n\n"};
  return *std::move(plaintext);
}

VaultAnswer Encrypt(const TransitCall& call) {
  if (!call.op.body.contains("plaintext")) return VaultFailure{400, "missing plaintext to encrypt"};
  // A caller whose policy has "create" on this path makes the key by using it. Vault's trap.
  if (!call.op.state->keys.contains(call.id)) return VaultFailure{400, "encryption key not found"};
  const Bytes plaintext = VAULT_TRY(Base64Of(call.op.body, "plaintext"));
  const auto data = VAULT_TRY(EncryptBytes(call, plaintext));
  return json::object{{"data", data}};
}

VaultAnswer Decrypt(const TransitCall& call) {
  const SecretBytes plaintext = VAULT_TRY(DecryptBytes(call));
  return json::object{{"data", {{"plaintext", Base64Encode(plaintext.ExposeSecret())}}}};
}

VaultAnswer Rewrap(const TransitCall& call) {
  const SecretBytes plaintext = VAULT_TRY(DecryptBytes(call));
  const auto data = VAULT_TRY(EncryptBytes(call, plaintext.ExposeSecret()));
  return json::object{{"data", data}};
}

VaultAnswer DataKey(const TransitCall& call, bool with_plaintext) {
  const int bits = VAULT_TRY(CountOf(call.op.body, "bits", 256));
  if (bits != 128 && bits != 256 && bits != 512) return VaultFailure{400, "invalid bit length"};
  const SecretBytes key = RandomSecret(static_cast<std::size_t>(bits / 8));
  json::object data = VAULT_TRY(EncryptBytes(call, key.ExposeSecret()));
  if (with_plaintext) data["plaintext"] = Base64Encode(key.ExposeSecret());
  return json::object{{"data", std::move(data)}};
}

VaultAnswer List(const Operation& op, const std::string& mount) {
  json::array names;
  const std::string prefix = mount + "/";
  for (const auto& [id, key] : op.state->keys) {
    if (id.starts_with(prefix)) names.emplace_back(id.substr(prefix.size()));
  }
  if (names.empty()) return VaultFailure{404, ""};
  return json::object{{"data", {{"keys", std::move(names)}}}};
}

VaultAnswer RunKeys(const TransitCall& call, const std::string& what) {
  const std::string& method = call.op.method;
  if (what.empty() && method == "POST") return Create(call);
  if (what.empty() && method == "GET") return Read(call);
  if (what.empty() && method == "DELETE") return Delete(call);
  if (what == "config" && method == "POST") return Configure(call);
  if (what == "rotate" && method == "POST") return Rotate(call);
  if (what == "soft-delete" && method == "DELETE") return SoftDelete(call, true);
  if (what == "soft-delete-restore" && method == "POST") return SoftDelete(call, false);
  return VaultFailure{405, "unsupported operation"};
}

}  // namespace

VaultAnswer RunTransit(const Operation& op, const std::string& mount,
                       const std::vector<std::string>& rest) {
  if (rest.size() == 1 && rest[0] == "keys" && op.method == "LIST") return List(op, mount);
  if (rest.size() < 2) return VaultFailure{404, "unsupported path"};
  const bool is_data_key = rest[0] == "datakey";
  if (is_data_key && rest.size() != 3) return VaultFailure{404, "unsupported path"};
  const std::string& name = is_data_key ? rest[2] : rest[1];
  const TransitCall call{op, mount + "/" + name};
  op.call.key = call.id;
  if (rest[0] == "keys") return RunKeys(call, rest.size() > 2 ? rest[2] : "");
  if (op.method != "POST") return VaultFailure{405, "unsupported operation"};
  if (is_data_key) return DataKey(call, rest[1] == "plaintext");
  if (rest[0] == "encrypt") return Encrypt(call);
  if (rest[0] == "decrypt") return Decrypt(call);
  if (rest[0] == "rewrap") return Rewrap(call);
  return VaultFailure{404, "unsupported path"};
}

Status RotateWhatIsDue(StateStore<VaultState>& store, const MasterKey& master, WallTime now) {
  const auto is_due = [now](const TransitKey& key) {
    return key.auto_rotate_seconds > 0 && !key.soft_deleted &&
           key.versions.back().created + std::chrono::seconds(key.auto_rotate_seconds) <= now;
  };
  const auto current = store.Read();
  for (const auto& entry : current->keys) {
    const std::string& id = entry.first;
    const TransitKey& key = entry.second;
    if (!is_due(key)) continue;
    const std::string label = fmt::format("transit {} v{}", id, key.latest() + 1);
    const TransitVersion version{TRY(master.Seal(RandomSecret(kKeySize), label)), now};
    TRY(store.Update<Status>(
        [&](VaultState& state) -> Status {
          const auto found = state.keys.find(id);
          if (found != state.keys.end() && found->second.latest() == key.latest()) {
            found->second.versions.push_back(version);
          }
          return {};
        },
        [](const Error& error) -> Status { return error; }));
  }
  return {};
}

}  // namespace freehold::embedded::vault
