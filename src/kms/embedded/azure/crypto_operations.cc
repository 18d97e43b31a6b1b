// wrapKey, unwrapKey, encrypt, decrypt: RSA-OAEP, RSA-OAEP-256, and AES key wrap for symmetric
// keys.
#include <algorithm>
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

struct Algorithm {
  std::string_view name;
  bool is_rsa;
  OaepDigest digest;
  std::size_t key_size;  // of AES keys
};

constexpr std::array kAlgorithms = {
    Algorithm{"RSA-OAEP", true, OaepDigest::kSha1, 0},
    Algorithm{"RSA-OAEP-256", true, OaepDigest::kSha256, 0},
    Algorithm{"A128KW", false, {}, 16},
    Algorithm{"A192KW", false, {}, 24},
    Algorithm{"A256KW", false, {}, 32},
};

enum class Way { kIn, kOut };

// As Azure has it: a disabled key still wraps, and one outside its time still unwraps.
AzureStatus CheckUse(const VaultCall& call, const KeyVersion& version, const std::string& operation,
                     Way way) {
  if (std::ranges::count(version.operations, operation) == 0) {
    return AzureFailure{403, "Forbidden", "KeyOperationForbidden",
                        fmt::format("Operation {} is not permitted on this key.", operation)};
  }
  if (way == Way::kOut) {
    if (!version.enabled) return NotAllowed(operation, "a disabled", "KeyDisabled");
    return {};
  }
  if (version.expires && *version.expires <= call.now) {
    return NotAllowed(operation, "an expired", "KeyExpired");
  }
  if (version.not_before && call.now < *version.not_before) {
    return NotAllowed(operation, "a not yet valid", "KeyNotYetValid");
  }
  return {};
}

AzureResult<const Algorithm*> AlgorithmFor(VaultCall& call, const KeyVersion& version,
                                           std::size_t material_size) {
  const std::string name = TextOf(call.body, "alg");
  const bool is_rsa = version.type.starts_with("RSA");
  for (const Algorithm& each : kAlgorithms) {
    if (each.name != name || each.is_rsa != is_rsa) continue;
    if (!is_rsa && each.key_size != material_size) break;
    call.algorithm = name;
    return &each;
  }
  return BadParameter(
      fmt::format("Algorithm '{}' is not supported for this key.", Printable(name).substr(0, 32)));
}

AzureResult<Bytes> Apply(const Algorithm& algorithm, const SecretBytes& material, ByteView value,
                         Way way) {
  const auto refused = [] { return BadParameter("The parameter is incorrect.\r\n"); };
  if (algorithm.is_rsa) {
    const RsaKey key = AZURE_TRY(RsaKey::FromPem(material));
    if (way == Way::kIn) {
      auto wrapped = key.OaepEncrypt(algorithm.digest, value);
      if (!wrapped.ok()) return refused();
      return *std::move(wrapped);
    }
    const auto opened = key.OaepDecrypt(algorithm.digest, value);
    if (!opened.ok()) return refused();
    return ToBytes(opened->ExposeSecret());
  }
  if (way == Way::kIn) {
    auto wrapped = AesKeyWrap(material, value, false);
    if (!wrapped.ok()) return refused();
    return *std::move(wrapped);
  }
  const auto opened = AesKeyUnwrap(material, value, false);
  if (!opened.ok()) return refused();
  return ToBytes(opened->ExposeSecret());
}

VaultResult Run(VaultCall& call, const std::string& operation, Way way) {
  const Key* key = AZURE_TRY(call.FindKey());
  const KeyVersion* version = AZURE_TRY(call.FindVersion());
  AZURE_TRY(CheckUse(call, *version, operation, way));
  const SecretBytes material =
      AZURE_TRY(call.master.Unseal(version->sealed, "azure key " + version->id));
  const Algorithm* algorithm = AZURE_TRY(AlgorithmFor(call, *version, material.size()));
  auto value = Base64UrlDecode(TextOf(call.body, "value"));
  if (!value.ok() || value->empty()) return BadParameter("Property 'value' is no base64url.");
  Bytes result = AZURE_TRY(Apply(*algorithm, material, *value, way));
  std::string text = Base64UrlEncode(result);
  WipeMemory(value->data(), value->size());
  WipeMemory(result.data(), result.size());
  json::object body{
      {"kid", fmt::format("https://{}/keys/{}/{}", call.vault.host, key->name, version->id)},
      {"value", text},
      {"alg", algorithm->name}};
  WipeMemory(text.data(), text.size());
  return VaultAnswer{std::move(body)};
}

}  // namespace

VaultResult WrapKey(VaultCall& call) { return Run(call, "wrapKey", Way::kIn); }
VaultResult UnwrapKey(VaultCall& call) { return Run(call, "unwrapKey", Way::kOut); }
VaultResult Encrypt(VaultCall& call) { return Run(call, "encrypt", Way::kIn); }
VaultResult Decrypt(VaultCall& call) { return Run(call, "decrypt", Way::kOut); }

}  // namespace freehold::embedded::azure
