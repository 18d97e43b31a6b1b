#include "kms/kmip/payload.h"

#include <algorithm>

#include "crypto/crypto.h"
#include "kms/encryption_context.h"

namespace freehold::kmip {
namespace {

Digest256 BindingOf(ByteView key, const EncryptionContext& context) {
  std::string text = "freehold kmip context";
  text += '\0';
  text += CanonicalContext(context);
  return HmacSha256(key, AsBytes(text));
}

}  // namespace

SecretBytes SealContext(const SecretBytes& key, const EncryptionContext& context) {
  SecretBytes payload(key.size() + sizeof(Digest256));
  const MutableByteView bytes = payload.ExposeSecretForWriting();
  const ByteView secret = key.ExposeSecret();
  const Digest256 binding = BindingOf(secret, context);
  std::copy(secret.begin(), secret.end(), bytes.begin());
  std::copy(binding.begin(), binding.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(key.size()));
  return payload;
}

KmsResult<SecretBytes> OpenPayload(std::string_view operation, ByteView payload,
                                   const EncryptionContext& context) {
  if (payload.size() != kKeySize + sizeof(Digest256) ||
      !ConstantTimeEqual(payload.subspan(kKeySize), BindingOf(payload.first(kKeySize), context))) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, operation,
                                     "what was decrypted is no key of this encryption context"));
  }
  return SecretBytes::CopyOf(payload.first(kKeySize));
}

}  // namespace freehold::kmip
