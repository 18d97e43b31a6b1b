// Use of a key: Encrypt, Decrypt, ReEncrypt, data keys, random bytes.
#include <algorithm>

#include "base/log.h"
#include "crypto/crypto.h"
#include "crypto/rsa.h"
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxPlaintext = 4096;
constexpr std::size_t kMaxBlob = 6144;
constexpr std::size_t kMaxContext = 8192;
constexpr std::string_view kAlgorithm = "SYMMETRIC_DEFAULT";

AwsFailure InvalidCiphertext() {
  return {"InvalidCiphertextException",
          "The ciphertext, or the encryption context given with it, is not what this key "
          "encrypted."};
}

AwsResult<Context> ReadContext(const Params& params, std::string_view name) {
  Context context = AWS_TRY(params.StringMap(name));
  std::size_t size = 0;
  for (const auto& [key, value] : context) size += key.size() + value.size();
  if (size > kMaxContext) return ValidationFailure("The encryption context is too large.");
  return context;
}

AwsStatus CheckAlgorithm(const Params& params, std::string_view name) {
  const std::string algorithm = AWS_TRY(params.StringOr(name, std::string(kAlgorithm)));
  if (algorithm == kAlgorithm) return {};
  if (algorithm.starts_with("RSAES_OAEP_SHA_") || algorithm == "SM2PKE") {
    return AwsFailure{
        "InvalidKeyUsageException",
        fmt::format("Algorithm {} is incompatible with key spec SYMMETRIC_DEFAULT.", algorithm)};
  }
  return ValidationFailure(fmt::format("Unknown encryption algorithm '{}'", algorithm));
}

AwsStatus CheckExtras(const Params& params) {
  const auto tokens = AWS_TRY(params.StringList("GrantTokens"));
  // A token says which grant has just been made; here every grant works at once.
  for (const std::string& token : tokens) {
    if (!Base64Decode(token).ok() || token.size() < 16) {
      return AwsFailure{"InvalidGrantTokenException", "This is no grant token."};
    }
  }
  if (params.Has("Recipient")) {
    return AwsFailure{"UnsupportedOperationException", "Recipient is not offered here."};
  }
  return {};
}

// Last, so that a dry run proves everything that the real call needs.
AwsStatus StopIfDryRun(const Params& params) {
  const bool dry_run = AWS_TRY(params.BoolOr("DryRun", false));
  if (!dry_run) return {};
  return AwsFailure{"DryRunOperationException",
                    "The request would have succeeded, but the DryRun option is set."};
}

AwsResult<std::string> EncryptUnder(KmsOperation& op, const Key& key, const Context& context,
                                    ByteView plaintext) {
  const KeyMaterial& current = key.materials.back();
  op.call.key_material_id = current.id;
  const auto material = UnsealMaterial(op.store, current);
  if (!material.ok()) {
    LogError("kms", material.error().Because(key.Arn()).message());
    return InternalFailure();
  }
  const auto blob =
      EncryptBlob({key.id, current.id}, key.BoundName(), context, *material, plaintext);
  if (!blob.ok()) return InternalFailure();
  return Base64Encode(*blob);
}

AwsResult<SecretBytes> DecryptUnder(KmsOperation& op, const Key& key, const Context& context,
                                    ByteView blob) {
  const auto label = ReadBlobLabel(blob);
  if (!label.ok()) return InvalidCiphertext();
  for (const KeyMaterial& candidate : key.materials) {
    if (candidate.id != label->material_id) continue;
    op.call.key_material_id = candidate.id;
    const auto material = UnsealMaterial(op.store, candidate);
    if (!material.ok()) {
      LogError("kms", material.error().Because(key.Arn()).message());
      return InternalFailure();
    }
    auto plaintext = DecryptBlob(blob, key.BoundName(), context, *material);
    if (!plaintext.ok()) return InvalidCiphertext();
    return *std::move(plaintext);
  }
  return InvalidCiphertext();
}

// The key that the blob names; `key_id`, if given, must be the same one.
AwsResult<const Key*> FindBlobKey(KmsOperation& op, const std::string& key_id, ByteView blob,
                                  std::string_view action, const Context& context) {
  const auto label = ReadBlobLabel(blob);
  if (!key_id.empty()) {
    const Key* key = AWS_TRY(FindKey(*op.state, op.call, key_id, Aliases::kAllowed));
    AWS_TRY(AuthorizeKey(*op.state, op.call, action, *key, context));
    AWS_TRY(RequireEnabled(*key));
    if (!label.ok()) return InvalidCiphertext();
    if (label->key_id != key->id) {
      return AwsFailure{"IncorrectKeyException",
                        "The key ID in the request does not identify a CMK that can perform this "
                        "operation."};
    }
    return key;
  }
  if (!label.ok()) return InvalidCiphertext();
  const auto found = op.state->keys.find({op.call.region, label->key_id});
  if (found == op.state->keys.end()) {
    return AwsFailure{"AccessDeniedException",
                      "The ciphertext refers to a customer master key that does not exist, does "
                      "not exist in this region, or you are not allowed to access."};
  }
  const Key& key = found->second;
  op.call.key_arn = key.Arn();
  op.call.key_account = key.account;
  AWS_TRY(AuthorizeKey(*op.state, op.call, action, key, context));
  AWS_TRY(RequireEnabled(key));
  return &key;
}

AwsResult<std::size_t> ReadDataKeySize(const Params& params) {
  if (params.Has("KeySpec") == params.Has("NumberOfBytes")) {
    return ValidationFailure("Please specify either number of bytes or key spec.");
  }
  if (params.Has("NumberOfBytes")) {
    return static_cast<std::size_t>(AWS_TRY(params.IntOr("NumberOfBytes", 0, 1, 1024)));
  }
  const std::string spec = AWS_TRY(params.String("KeySpec"));
  if (spec == "AES_256") return std::size_t{32};
  if (spec == "AES_128") return std::size_t{16};
  return ValidationFailure(
      fmt::format("1 validation error detected: Value '{}' at 'keySpec' "
                  "failed to satisfy constraint: Member must satisfy enum "
                  "value set: [AES_256, AES_128]",
                  spec));
}

struct DataKey {
  json::object answer;
  SecretBytes plaintext;
};

AwsResult<DataKey> MakeDataKey(KmsOperation& op, std::string_view action) {
  const std::string key_id = AWS_TRY(op.params.String("KeyId"));
  const Context context = AWS_TRY(ReadContext(op.params, "EncryptionContext"));
  const std::size_t size = AWS_TRY(ReadDataKeySize(op.params));
  AWS_TRY(CheckExtras(op.params));
  const Key* key = AWS_TRY(FindKey(*op.state, op.call, key_id, Aliases::kAllowed));
  AWS_TRY(AuthorizeKey(*op.state, op.call, action, *key, context));
  AWS_TRY(RequireEnabled(*key));
  AWS_TRY(StopIfDryRun(op.params));
  DataKey data_key;
  data_key.plaintext = RandomSecret(size);
  const std::string blob =
      AWS_TRY(EncryptUnder(op, *key, context, data_key.plaintext.ExposeSecret()));
  data_key.answer = {
      {"CiphertextBlob", blob}, {"KeyId", key->Arn()}, {"KeyMaterialId", op.call.key_material_id}};
  return data_key;
}

// Asymmetric operations: permitted or not is answered truly, so that policies which list them can
// be tested; the key itself is symmetric.
KmsAnswer RefuseAsymmetric(KmsOperation& op, std::string_view action) {
  const Key* key = AWS_TRY(AuthorizedKey(op, action, Aliases::kAllowed));
  AWS_TRY(RequireEnabled(*key));
  return AwsFailure{"UnsupportedOperationException",
                    fmt::format("{} is not offered for {}, a symmetric key.", action, key->Arn())};
}

}  // namespace

KmsAnswer Encrypt(KmsOperation& op) {
  const std::string key_id = AWS_TRY(op.params.String("KeyId"));
  Bytes plaintext = AWS_TRY(op.params.Blob("Plaintext", kMaxPlaintext));
  const Context context = AWS_TRY(ReadContext(op.params, "EncryptionContext"));
  AWS_TRY(CheckAlgorithm(op.params, "EncryptionAlgorithm"));
  AWS_TRY(CheckExtras(op.params));
  const Key* key = AWS_TRY(FindKey(*op.state, op.call, key_id, Aliases::kAllowed));
  AWS_TRY(AuthorizeKey(*op.state, op.call, "Encrypt", *key, context));
  AWS_TRY(RequireEnabled(*key));
  AWS_TRY(StopIfDryRun(op.params));
  const std::string blob = AWS_TRY(EncryptUnder(op, *key, context, plaintext));
  return json::object{
      {"CiphertextBlob", blob}, {"KeyId", key->Arn()}, {"EncryptionAlgorithm", kAlgorithm}};
}

KmsAnswer Decrypt(KmsOperation& op) {
  const Bytes blob = AWS_TRY(op.params.Blob("CiphertextBlob", kMaxBlob));
  const std::string key_id = AWS_TRY(op.params.StringOr("KeyId", ""));
  const Context context = AWS_TRY(ReadContext(op.params, "EncryptionContext"));
  AWS_TRY(CheckAlgorithm(op.params, "EncryptionAlgorithm"));
  AWS_TRY(CheckExtras(op.params));
  const Key* key = AWS_TRY(FindBlobKey(op, key_id, blob, "Decrypt", context));
  const SecretBytes plaintext = AWS_TRY(DecryptUnder(op, *key, context, blob));
  AWS_TRY(StopIfDryRun(op.params));
  return json::object{{"KeyId", key->Arn()},
                      {"Plaintext", Base64Encode(plaintext.ExposeSecret())},
                      {"EncryptionAlgorithm", kAlgorithm},
                      {"KeyMaterialId", op.call.key_material_id}};
}

KmsAnswer ReEncrypt(KmsOperation& op) {
  const Bytes blob = AWS_TRY(op.params.Blob("CiphertextBlob", kMaxBlob));
  const std::string source_id = AWS_TRY(op.params.StringOr("SourceKeyId", ""));
  const std::string target_id = AWS_TRY(op.params.String("DestinationKeyId"));
  const Context source_context = AWS_TRY(ReadContext(op.params, "SourceEncryptionContext"));
  const Context target_context = AWS_TRY(ReadContext(op.params, "DestinationEncryptionContext"));
  AWS_TRY(CheckAlgorithm(op.params, "SourceEncryptionAlgorithm"));
  AWS_TRY(CheckAlgorithm(op.params, "DestinationEncryptionAlgorithm"));
  AWS_TRY(CheckExtras(op.params));
  const Key* source = AWS_TRY(FindBlobKey(op, source_id, blob, "ReEncryptFrom", source_context));
  const Key* target = AWS_TRY(FindKey(*op.state, op.call, target_id, Aliases::kAllowed));
  AWS_TRY(AuthorizeKey(*op.state, op.call, "ReEncryptTo", *target, target_context));
  AWS_TRY(RequireEnabled(*target));
  const SecretBytes plaintext = AWS_TRY(DecryptUnder(op, *source, source_context, blob));
  const std::string source_material = op.call.key_material_id;
  AWS_TRY(StopIfDryRun(op.params));
  const std::string fresh =
      AWS_TRY(EncryptUnder(op, *target, target_context, plaintext.ExposeSecret()));
  return json::object{{"CiphertextBlob", fresh},
                      {"SourceKeyId", source->Arn()},
                      {"KeyId", target->Arn()},
                      {"SourceEncryptionAlgorithm", kAlgorithm},
                      {"DestinationEncryptionAlgorithm", kAlgorithm},
                      {"SourceKeyMaterialId", source_material},
                      {"DestinationKeyMaterialId", op.call.key_material_id}};
}

KmsAnswer GenerateDataKey(KmsOperation& op) {
  DataKey data_key = AWS_TRY(MakeDataKey(op, "GenerateDataKey"));
  data_key.answer["Plaintext"] = Base64Encode(data_key.plaintext.ExposeSecret());
  return std::move(data_key.answer);
}

KmsAnswer GenerateDataKeyWithoutPlaintext(KmsOperation& op) {
  DataKey data_key = AWS_TRY(MakeDataKey(op, "GenerateDataKeyWithoutPlaintext"));
  return std::move(data_key.answer);
}

KmsAnswer GenerateRandom(KmsOperation& op) {
  const auto size = AWS_TRY(op.params.IntOr("NumberOfBytes", 0, 1, 1024));
  if (size == 0) return ValidationFailure("'numberOfBytes' must not be null");
  AWS_TRY(CheckExtras(op.params));
  AWS_TRY(AuthorizeIdentity(*op.state, op.call, "kms:GenerateRandom", "*"));
  const SecretBytes random = RandomSecret(static_cast<std::size_t>(size));
  return json::object{{"Plaintext", Base64Encode(random.ExposeSecret())}};
}

KmsAnswer GetPublicKey(KmsOperation& op) { return RefuseAsymmetric(op, "GetPublicKey"); }

KmsAnswer GenerateDataKeyPair(KmsOperation& op) {
  const Context context = AWS_TRY(ReadContext(op.params, "EncryptionContext"));
  const std::string spec = AWS_TRY(op.params.String("KeyPairSpec"));
  const int bits = spec == "RSA_2048"   ? 2048
                   : spec == "RSA_3072" ? 3072
                   : spec == "RSA_4096" ? 4096
                                        : 0;
  if (bits == 0) {
    return AwsFailure{"UnsupportedOperationException",
                      fmt::format("KeyPairSpec {} is not offered here, only RSA.", spec)};
  }
  AWS_TRY(CheckExtras(op.params));
  const std::string key_id = AWS_TRY(op.params.String("KeyId"));
  const Key* key = AWS_TRY(FindKey(*op.state, op.call, key_id, Aliases::kAllowed));
  AWS_TRY(AuthorizeKey(*op.state, op.call, "GenerateDataKeyPair", *key, context));
  AWS_TRY(RequireEnabled(*key));
  AWS_TRY(StopIfDryRun(op.params));
  const auto pair = RsaKey::Generate(bits);
  if (!pair.ok()) return InternalFailure();
  const SecretBytes secret = pair->PrivateDer();
  const auto blob = AWS_TRY(EncryptUnder(op, *key, context, secret.ExposeSecret()));
  return json::object{{"KeyId", key->Arn()},
                      {"KeyPairSpec", spec},
                      {"PublicKey", Base64Encode(pair->PublicDer())},
                      {"PrivateKeyPlaintext", Base64Encode(secret.ExposeSecret())},
                      {"PrivateKeyCiphertextBlob", blob}};
}

}  // namespace freehold::embedded
