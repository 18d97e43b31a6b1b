#include "kms/kmip/server_key.h"

#include "crypto/crypto.h"
#include "kms/kmip/classify.h"

namespace freehold::kmip {
namespace {

constexpr std::uint32_t kAes = 3;
constexpr std::uint32_t kCtrMode = 6;
constexpr std::uint32_t kGcmMode = 9;
constexpr std::size_t kCtrIvSize = 16;
constexpr std::size_t kLongestPart = 4096;  // of what we store

Writer Parameters(Mode mode) {
  Writer parameters;
  parameters.Enumeration(Tag::kBlockCipherMode, mode == Mode::kGcm ? kGcmMode : kCtrMode);
  parameters.Enumeration(Tag::kCryptographicAlgorithm, kAes);
  if (mode == Mode::kGcm) {
    parameters.Integer(Tag::kTagLength, static_cast<std::int32_t>(kGcmTagSize));
  }
  return parameters;
}

void AddAssociatedData(Writer& payload, ByteView associated_data) {
  if (associated_data.empty()) return;
  payload.ByteString(Tag::kAuthenticatedEncryptionAdditionalData, associated_data);
}

tl::unexpected<KmsFailure> NotUnderstood(Operation operation, std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kNotUnderstood, NameOf(operation), std::move(message)));
}

std::optional<std::uint32_t> NumberIn(const Item& value) {
  if (value.type != Type::kInteger && value.type != Type::kEnumeration) return std::nullopt;
  return value.Number();
}

std::optional<bool> TruthIn(const Item& value) {
  if (value.type != Type::kBoolean) return std::nullopt;
  return !AllZero(value.value);
}

const Item* AttributeValue(const Item& attribute) {
  for (const Item& item : attribute.items) {
    if (item.tag == static_cast<std::uint32_t>(Tag::kAttributeValue)) return &item;
  }
  return nullptr;
}

}  // namespace

KmsResult<Answer> ServerKey::AskAbout(Operation operation, const Writer& payload) {
  auto answer = client_.Do(version_, operation, payload);
  if (!answer.has_value()) return answer;
  const Item* identifier = answer->payload.Find(Tag::kUniqueIdentifier, Type::kTextString);
  if (identifier == nullptr || identifier->Text() != identifier_) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kWrongKey, NameOf(operation), "the answer is about another key"));
  }
  return answer;
}

KmsResult<Encrypted> ServerKey::EncryptOnce(Mode mode, ByteView plaintext,
                                            ByteView associated_data) {
  Encrypted encrypted;
  encrypted.iv = RandomBytes(mode == Mode::kGcm ? kGcmNonceSize : kCtrIvSize);
  Writer payload;
  payload.Text(Tag::kUniqueIdentifier, identifier_);
  payload.Structure(Tag::kCryptographicParameters, Parameters(mode));
  payload.ByteString(Tag::kData, plaintext);
  payload.ByteString(Tag::kIvCounterNonce, encrypted.iv);
  AddAssociatedData(payload, associated_data);
  const auto answer = AskAbout(Operation::kEncrypt, payload);
  payload.Wipe();
  if (!answer.has_value()) return tl::unexpected(answer.error());
  const Item* data = answer->payload.Find(Tag::kData, Type::kByteString);
  const Item* iv = answer->payload.Find(Tag::kIvCounterNonce, Type::kByteString);
  const Item* tag = answer->payload.Find(Tag::kAuthenticatedEncryptionTag, Type::kByteString);
  if (data == nullptr || data->value.empty() || data->value.size() > kLongestPart) {
    return NotUnderstood(Operation::kEncrypt, "the answer holds no ciphertext");
  }
  if (mode == Mode::kGcm && (tag == nullptr || tag->value.size() != kGcmTagSize)) {
    return NotUnderstood(Operation::kEncrypt, "the answer holds no tag of 16 bytes");
  }
  encrypted.ciphertext = ToBytes(data->value);
  if (mode == Mode::kGcm) encrypted.tag = ToBytes(tag->value);
  // A server that makes its own says so.
  if (iv != nullptr && !iv->value.empty() && iv->value.size() <= 255) {
    encrypted.iv = ToBytes(iv->value);
  }
  return encrypted;
}

KmsResult<SecretBytes> ServerKey::DecryptOnce(Mode mode, const Encrypted& encrypted,
                                              ByteView associated_data) {
  Writer payload;
  payload.Text(Tag::kUniqueIdentifier, identifier_);
  payload.Structure(Tag::kCryptographicParameters, Parameters(mode));
  payload.ByteString(Tag::kData, encrypted.ciphertext);
  payload.ByteString(Tag::kIvCounterNonce, encrypted.iv);
  AddAssociatedData(payload, associated_data);
  if (mode == Mode::kGcm) payload.ByteString(Tag::kAuthenticatedEncryptionTag, encrypted.tag);
  const auto answer = AskAbout(Operation::kDecrypt, payload);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  const Item* data = answer->payload.Find(Tag::kData, Type::kByteString);
  if (data == nullptr) return NotUnderstood(Operation::kDecrypt, "the answer holds no plaintext");
  return SecretBytes::CopyOf(data->value);
}

KmsResult<Encrypted> ServerKey::Encrypt(Mode mode, ByteView plaintext, ByteView associated_data) {
  auto encrypted = EncryptOnce(mode, plaintext, associated_data);
  if (!encrypted.has_value()) return tl::unexpected(Judged(std::move(encrypted.error())));
  return encrypted;
}

KmsResult<SecretBytes> ServerKey::Decrypt(Mode mode, const Encrypted& encrypted,
                                          ByteView associated_data) {
  auto plaintext = DecryptOnce(mode, encrypted, associated_data);
  if (plaintext.has_value()) return plaintext;
  KmsFailure failure = Judged(std::move(plaintext.error()));
  const bool vague = failure.meaning == KmsMeaning::kOutage ||
                     failure.meaning == KmsMeaning::kBadRequest ||
                     failure.meaning == KmsMeaning::kNotUnderstood;
  if (vague && !failure.code.empty() && Works(mode)) {
    failure = FailureOf(KmsMeaning::kWrongCiphertext, failure.operation, failure.code,
                        "the server decrypts, but not this");
  }
  return tl::unexpected(std::move(failure));
}

bool ServerKey::Works(Mode mode) {
  const Bytes probe = RandomBytes(kKeySize);
  const auto encrypted = EncryptOnce(mode, probe, {});
  if (!encrypted.has_value()) return false;
  const auto plaintext = DecryptOnce(mode, *encrypted, {});
  return plaintext.has_value() && ConstantTimeEqual(plaintext->ExposeSecret(), probe);
}

KmsFailure ServerKey::Judged(KmsFailure failure) {
  // Only a server that gave an answer, and one that may come of a key's state.
  const bool of_the_key =
      failure.meaning == KmsMeaning::kPermissionMissing ||
      failure.meaning == KmsMeaning::kWrongUsage || failure.meaning == KmsMeaning::kBadRequest ||
      failure.meaning == KmsMeaning::kOutage || failure.meaning == KmsMeaning::kNotUnderstood;
  if (failure.code.empty() || !of_the_key) return failure;
  const auto attributes = Attributes();
  if (!attributes.has_value() || !attributes->state.has_value()) return failure;
  const auto meaning = MeaningOfState(*attributes->state);
  if (!meaning.has_value()) return failure;
  return FailureOf(*meaning, failure.operation, NameOfState(*attributes->state), failure.message);
}

KmsResult<KeyAttributes> ServerKey::Attributes() {
  Writer payload;
  payload.Text(Tag::kUniqueIdentifier, identifier_);
  for (const char* name : {"State", "Cryptographic Algorithm", "Cryptographic Usage Mask"}) {
    payload.Text(Tag::kAttributeName, name);
  }
  if (version_ >= kAeadVersion) {
    payload.Text(Tag::kAttributeName, "Sensitive");
    payload.Text(Tag::kAttributeName, "Extractable");
  }
  const auto answer = AskAbout(Operation::kGetAttributes, payload);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  KeyAttributes attributes;
  for (const Item& attribute : answer->payload.items) {
    const Item* name = attribute.Find(Tag::kAttributeName, Type::kTextString);
    const Item* value = AttributeValue(attribute);
    if (name == nullptr || value == nullptr) continue;
    if (name->Text() == "State") attributes.state = NumberIn(*value);
    if (name->Text() == "Cryptographic Algorithm") attributes.algorithm = NumberIn(*value);
    if (name->Text() == "Cryptographic Usage Mask") attributes.usage_mask = NumberIn(*value);
    if (name->Text() == "Sensitive") attributes.sensitive = TruthIn(*value);
    if (name->Text() == "Extractable") attributes.extractable = TruthIn(*value);
  }
  return attributes;
}

}  // namespace freehold::kmip
