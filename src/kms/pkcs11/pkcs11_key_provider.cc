#include "kms/pkcs11/pkcs11_key_provider.h"

#include "crypto/crypto.h"
#include "kms/encryption_context.h"
#include "kms/pkcs11/token.h"

namespace freehold::pkcs11 {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr const char* kAlgorithm = "CKM_AES_GCM";

KmsFailure WithRemedy(KmsFailure failure) {
  if (failure.meaning == KmsMeaning::kKeyDisabled) {
    failure.remedy = "set CKA_ENCRYPT and CKA_DECRYPT of the key to true";
  } else if (failure.meaning == KmsMeaning::kTrustWithdrawn) {
    failure.remedy = "put the token's user PIN into the file that FREEHOLD_PKCS11_PIN_FILE names";
  } else if (failure.meaning == KmsMeaning::kKeyMissing) {
    failure.remedy = "list the token's keys: pkcs11-tool --module MODULE --login --list-objects";
  }
  return failure;
}

tl::unexpected<KmsFailure> Refused(const KmsFailure& failure) {
  return tl::unexpected(WithRemedy(failure));
}

// Whether the token can use the key at all, with bytes of our own.
bool Works(Token& token) {
  const Bytes probe = RandomBytes(kKeySize);
  Bytes iv = RandomBytes(kGcmNonceSize);
  const auto ciphertext = token.Encrypt(iv, {}, probe);
  if (!ciphertext.has_value()) return false;
  const auto plaintext = token.Decrypt(iv, {}, *ciphertext);
  return plaintext.has_value() && ConstantTimeEqual(plaintext->ExposeSecret(), probe);
}

}  // namespace

KmsResult<WrappedKey> Pkcs11KeyProvider::Wrap(const SecretBytes& plaintext,
                                              const EncryptionContext& context) {
  auto token = OpenToken(access_.uri.pkcs11(), surroundings_);
  if (!token.has_value()) return Refused(token.error());
  const auto attributes = (*token)->Attributes();
  if (!attributes.has_value()) return Refused(attributes.error());
  Bytes iv = RandomBytes(kGcmNonceSize);
  const auto ciphertext =
      (*token)->Encrypt(iv, AsBytes(CanonicalContext(context)), plaintext.ExposeSecret());
  if (!ciphertext.has_value()) return Refused(ciphertext.error());
  WrappedKey wrapped{
      {kVersion, static_cast<std::uint8_t>(iv.size())}, HexEncode(attributes->id), kAlgorithm};
  wrapped.ciphertext.insert(wrapped.ciphertext.end(), iv.begin(), iv.end());
  wrapped.ciphertext.insert(wrapped.ciphertext.end(), ciphertext->begin(), ciphertext->end());
  return wrapped;
}

KmsResult<SecretBytes> Pkcs11KeyProvider::Unwrap(const WrappedKey& wrapped,
                                                 const EncryptionContext& context) {
  const ByteView blob = wrapped.ciphertext;
  if (blob.size() < 2 || blob[0] != kVersion || blob[1] != kGcmNonceSize ||
      blob.size() < 2 + kGcmNonceSize + kKeySize + kGcmTagSize) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, "C_Decrypt",
                                     "the wrapped key is none that a token has made"));
  }
  auto token = OpenToken(access_.uri.pkcs11(), surroundings_);
  if (!token.has_value()) return Refused(token.error());
  const Bytes iv = ToBytes(blob.subspan(2, kGcmNonceSize));
  auto plaintext =
      (*token)->Decrypt(iv, AsBytes(CanonicalContext(context)), blob.subspan(2 + kGcmNonceSize));
  if (plaintext.has_value()) return RequireKeySize("C_Decrypt", std::move(*plaintext));
  // Modules are vague about a tag that does not fit. One that decrypts something else is no outage.
  KmsFailure failure = plaintext.error();
  if (failure.operation == "C_Decrypt" && failure.kms_class == KmsClass::kUnreachable &&
      Works(**token)) {
    failure = FailureOf(KmsMeaning::kWrongCiphertext, failure.operation, failure.code,
                        "the token decrypts, but not this");
  }
  return Refused(failure);
}

KmsResult<KeyFacts> Pkcs11KeyProvider::Describe() {
  auto token = OpenToken(access_.uri.pkcs11(), surroundings_);
  if (!token.has_value()) return Refused(token.error());
  const auto attributes = (*token)->Attributes();
  if (!attributes.has_value()) return Refused(attributes.error());
  KeyFacts facts;
  facts.enabled = attributes->encrypts && attributes->decrypts;
  facts.state = facts.enabled ? "Enabled" : "Disabled";
  facts.key_version = HexEncode(attributes->id);
  facts.rotation_detail = "a token rotates no keys: make a new one and give it to rotate-key";
  if (!attributes->sensitive || attributes->extractable) {
    facts.warnings.emplace_back(
        "the key may leave the token: make it with CKA_SENSITIVE true and CKA_EXTRACTABLE false");
  }
  return facts;
}

KmsResult<std::string> Pkcs11KeyProvider::Identify() {
  auto token = OpenToken(access_.uri.pkcs11(), surroundings_);
  if (!token.has_value()) return Refused(token.error());
  return (*token)->Name();
}

}  // namespace freehold::pkcs11
