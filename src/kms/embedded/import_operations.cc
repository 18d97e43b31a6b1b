// Imported key material: a key whose bytes the customer brings, takes away, or lets expire.
#include "base/log.h"
#include "crypto/rsa.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr Duration kTokenLife = std::chrono::hours(24);
constexpr std::size_t kMaxWrapped = 6144;

struct Wrapping {
  std::string_view name;
  OaepDigest digest;
  bool by_aes;  // an AES key by RSA, and the material by that key
};
constexpr Wrapping kWrappings[] = {{"RSAES_OAEP_SHA_256", OaepDigest::kSha256, false},
                                   {"RSAES_OAEP_SHA_1", OaepDigest::kSha1, false},
                                   {"RSA_AES_KEY_WRAP_SHA_256", OaepDigest::kSha256, true},
                                   {"RSA_AES_KEY_WRAP_SHA_1", OaepDigest::kSha1, true}};

const Wrapping* FindWrapping(std::string_view name) {
  for (const Wrapping& wrapping : kWrappings) {
    if (wrapping.name == name) return &wrapping;
  }
  return nullptr;
}

std::string Label(const Key& key) { return "import " + key.id; }

// The same material of the same key has the same id, and nobody can tell the material from it.
std::string MaterialId(const KeyStore& store, const Key& key, const SecretBytes& material) {
  const std::string bound = "imported " + key.id + " " + HexEncode(Sha256(material.ExposeSecret()));
  return HexEncode(store.master().Tag(bound));
}

AwsStatus RequireExternal(const Key& key) {
  AWS_TRY(RequireNotPending(key));
  if (key.origin == "EXTERNAL") return {};
  return AwsFailure{
      "UnsupportedOperationException",
      fmt::format("{} origin is {} which is not valid for this operation.", key.Arn(), key.origin)};
}

AwsResult<SecretBytes> Unwrap(const KeyStore& store, const Key& key, ByteView wrapped) {
  const AwsFailure unfit{"InvalidCiphertextException",
                         "The material is not encrypted with this key's import parameters."};
  const Wrapping* wrapping = FindWrapping(key.import->wrapping);
  const auto pem = store.Unseal(key.import->sealed_key, Label(key));
  if (wrapping == nullptr || !pem.ok()) return InternalFailure();
  const auto rsa = RsaKey::FromPem(*pem);
  if (!rsa.ok()) return InternalFailure();
  const std::size_t size = rsa->Modulus().size();
  if (!wrapping->by_aes) {
    auto material = rsa->OaepDecrypt(wrapping->digest, wrapped);
    if (!material.ok()) return unfit;
    return *std::move(material);
  }
  if (wrapped.size() <= size) return unfit;
  const auto aes = rsa->OaepDecrypt(wrapping->digest, wrapped.first(size));
  if (!aes.ok()) return unfit;
  auto material = AesKeyUnwrap(*aes, wrapped.subspan(size), true);
  if (!material.ok()) return unfit;
  return *std::move(material);
}

struct Expiry {
  std::string model;
  std::optional<WallTime> valid_to;
};

AwsResult<Expiry> ReadExpiry(const KmsOperation& op) {
  Expiry expiry;
  expiry.model = AWS_TRY(op.params.StringOr("ExpirationModel", "KEY_MATERIAL_EXPIRES"));
  if (expiry.model == "KEY_MATERIAL_DOES_NOT_EXPIRE") return expiry;
  if (expiry.model != "KEY_MATERIAL_EXPIRES") {
    return ValidationFailure("1 validation error detected: Value at 'expirationModel' is unknown");
  }
  const auto seconds = AWS_TRY(op.params.IntOr("ValidTo", 0, 0, 4'000'000'000));
  expiry.valid_to = WallTime{std::chrono::seconds(seconds)};
  if (*expiry.valid_to <= op.call.now) {
    return ValidationFailure("A validTo date in the future must be set if the material expires");
  }
  return expiry;
}

}  // namespace

KmsAnswer GetParametersForImport(KmsOperation& op) {
  const std::string name = AWS_TRY(op.params.String("WrappingAlgorithm"));
  if (FindWrapping(name) == nullptr) {
    return ValidationFailure(fmt::format("Wrapping algorithm '{}' is not offered here", name));
  }
  const std::string spec = AWS_TRY(op.params.String("WrappingKeySpec"));
  const int bits = spec == "RSA_2048"   ? 2048
                   : spec == "RSA_3072" ? 3072
                   : spec == "RSA_4096" ? 4096
                                        : 0;
  if (bits == 0) return ValidationFailure(fmt::format("Unknown wrapping key spec '{}'", spec));
  const auto rsa = RsaKey::Generate(bits);
  if (!rsa.ok()) return InternalFailure();
  return ChangeKey(op, "GetParametersForImport", [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireExternal(key));
    auto sealed = op.store.Seal(rsa->PrivatePem(), Label(key));
    if (!sealed.ok()) return InternalFailure();
    const Bytes token = RandomBytes(64);
    key.import =
        KeyImport{name, HexEncode(Sha256(token)), *std::move(sealed), op.call.now + kTokenLife};
    return json::object{{"KeyId", key.Arn()},
                        {"ImportToken", Base64Encode(token)},
                        {"PublicKey", Base64Encode(rsa->PublicDer())},
                        {"ParametersValidTo", EpochSeconds(key.import->expires)}};
  });
}

KmsAnswer ImportKeyMaterial(KmsOperation& op) {
  const Bytes token = AWS_TRY(op.params.Blob("ImportToken", kMaxWrapped));
  const Bytes wrapped = AWS_TRY(op.params.Blob("EncryptedKeyMaterial", kMaxWrapped));
  const Expiry expiry = AWS_TRY(ReadExpiry(op));
  return ChangeKey(op, "ImportKeyMaterial", [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireExternal(key));
    if (!key.import.has_value() || key.import->token_digest != HexEncode(Sha256(token))) {
      return AwsFailure{"InvalidImportTokenException", "The import token is not this key's."};
    }
    if (key.import->expires <= op.call.now) {
      return AwsFailure{"ExpiredImportTokenException", "The import token has expired."};
    }
    const SecretBytes material = AWS_TRY(Unwrap(op.store, key, wrapped));
    if (material.size() != kKeySize) {
      return AwsFailure{"IncorrectKeyMaterialException", "The key material must have 32 bytes."};
    }
    const std::string id = MaterialId(op.store, key, material);
    if (!key.expected_material.empty() && key.expected_material != id) {
      return AwsFailure{"IncorrectKeyMaterialException",
                        "The key material is not the one that was imported before."};
    }
    auto sealed = op.store.Seal(material, id);
    if (!sealed.ok()) return InternalFailure();
    key.expected_material = id;
    key.materials = {KeyMaterial{id, *std::move(sealed), op.call.now, ""}};
    key.valid_to = expiry.valid_to;
    if (key.state == KeyState::kPendingImport) key.state = KeyState::kEnabled;
    op.call.key_material_id = id;
    return json::object{{"KeyId", key.Arn()}, {"KeyMaterialId", id}};
  });
}

KmsAnswer DeleteImportedKeyMaterial(KmsOperation& op) {
  return ChangeKey(op, "DeleteImportedKeyMaterial", [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireExternal(key));
    ForgetImported(key);
    return json::object{{"KeyId", key.Arn()}};
  });
}

void ForgetImported(Key& key) {
  key.materials.clear();
  key.valid_to.reset();
  key.state = KeyState::kPendingImport;
}

}  // namespace freehold::embedded
