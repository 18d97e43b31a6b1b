// PUT /keys/{name}: a key that its owner made elsewhere, as a JSON Web Key (RFC 7517, RFC
// 7518 6.3).
#include <array>
#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/embedded/azure/vault_call.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

void AppendLength(Bytes& der, std::size_t size) {
  if (size < 128) {
    der.push_back(static_cast<std::uint8_t>(size));
    return;
  }
  der.push_back(0x82);
  der.push_back(static_cast<std::uint8_t>(size >> 8));
  der.push_back(static_cast<std::uint8_t>(size));
}

// DER's INTEGER: no needless zeros in front, and one where the number would look negative.
void AppendInteger(Bytes& der, ByteView number) {
  while (number.size() > 1 && number[0] == 0) number = number.subspan(1);
  const bool high = !number.empty() && (number[0] & 0x80) != 0;
  der.push_back(0x02);
  AppendLength(der, number.size() + (high ? 1 : 0));
  if (high) der.push_back(0);
  der.insert(der.end(), number.begin(), number.end());
}

// RSAPrivateKey of RFC 8017 A.1.2, as PEM.
AzureResult<SecretBytes> PemOf(json::object& jwk) {
  Bytes integers;
  integers.reserve(16 << 10);  // never moved: no copies stay behind
  AppendInteger(integers, Bytes{0});
  for (const char* name : {"n", "e", "d", "p", "q", "dp", "dq", "qi"}) {
    const auto part = TakeSecret(jwk, name, true);
    if (!part || part->size() > 1024) {
      return BadParameter(fmt::format("The JSON Web Key lacks '{}'.", name));
    }
    AppendInteger(integers, part->ExposeSecret());
  }
  Bytes der;
  der.reserve(integers.size() + 8);
  der.push_back(0x30);
  if (integers.size() < 256) return BadParameter("The JSON Web Key is too small.");
  AppendLength(der, integers.size());
  der.insert(der.end(), integers.begin(), integers.end());
  std::string text = Base64Encode(der);
  std::string pem = "-----BEGIN RSA PRIVATE KEY-----\n";
  pem.reserve(text.size() * 2);
  for (std::size_t at = 0; at < text.size(); at += 64) {
    pem.append(text, at, 64);
    pem += '\n';
  }
  pem += "-----END RSA PRIVATE KEY-----\n";
  SecretBytes secret = SecretBytes::CopyOf(AsBytes(pem));
  WipeMemory(integers.data(), integers.size());
  WipeMemory(der.data(), der.size());
  WipeMemory(text.data(), text.size());
  WipeMemory(pem.data(), pem.size());
  return secret;
}

AzureStatus ReadMaterial(VaultCall& call, json::object& jwk, KeyVersion& version) {
  const std::string type = TextOf(jwk, "kty");
  if (call.vault.is_hsm() && (type == "oct" || type == "oct-HSM")) {
    const auto key = TakeSecret(jwk, "k", true);
    if (!key || (key->size() != 16 && key->size() != 24 && key->size() != 32)) {
      return BadParameter("The JSON Web Key lacks a 'k' of 16, 24 or 32 bytes.");
    }
    version.type = "oct-HSM";
    version.operations = {"encrypt", "decrypt", "wrapKey", "unwrapKey"};
    version.sealed = AZURE_TRY(SealMaterial(call.master, *key, version.id));
    return {};
  }
  if (type != "RSA" && type != "RSA-HSM") {
    return BadParameter(fmt::format("Key type '{}' is not supported.", Printable(type)));
  }
  const auto key = RsaKey::FromPem(AZURE_TRY(PemOf(jwk)));
  if (!key.ok()) return BadParameter("The JSON Web Key is no RSA key of 2048 bits or more.");
  version.type = call.vault.is_hsm() ? "RSA-HSM" : type;
  version.operations = {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"};
  version.modulus = key->Modulus();
  version.exponent = key->Exponent();
  version.sealed = AZURE_TRY(SealMaterial(call.master, key->PrivatePem(), version.id));
  return {};
}

}  // namespace

VaultResult ImportKey(VaultCall& call) {
  AZURE_TRY(CheckName(call.name));
  auto* jwk = call.body.if_contains("key");
  if (jwk == nullptr || !jwk->is_object()) return BadParameter("Property 'key' is required.");
  KeyVersion version;
  version.id = HexEncode(RandomBytes(16));
  version.created = version.updated = call.now;
  AZURE_TRY(ReadMaterial(call, jwk->get_object(), version));
  AZURE_TRY(ReadAttributes(call.body, version));
  json::object operations;
  if (const auto* list = jwk->get_object().if_contains("key_ops")) operations["key_ops"] = *list;
  AZURE_TRY(ReadAttributes(operations, version));
  json::object bundle;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    const std::string id = LowerCase(call.name);
    if (vault.deleted_keys.contains(id)) {
      return AzureFailure{
          409, "Conflict", "ObjectIsDeletedButRecoverable",
          fmt::format("Key {} is currently in a deleted but recoverable state.", call.name)};
    }
    Key& key = vault.keys[id];
    if (key.name.empty()) key.name = call.name;
    key.versions.push_back(version);
    bundle = KeyBundle(vault, key, version);
    return {};
  }));
  return VaultAnswer{std::move(bundle)};
}

}  // namespace freehold::embedded::azure
