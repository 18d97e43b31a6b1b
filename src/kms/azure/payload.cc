#include "kms/azure/payload.h"

#include <algorithm>

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/encryption_context.h"

namespace freehold::azure {
namespace {

constexpr std::size_t kPayloadSize = kKeySize + sizeof(Digest256);

Digest256 DigestOf(const EncryptionContext& context) {
  return Sha256(AsBytes(CanonicalContext(context)));
}

}  // namespace

SecretBytes SealContext(const SecretBytes& key, const EncryptionContext& context) {
  SecretBytes payload(key.size() + sizeof(Digest256));
  const MutableByteView bytes = payload.ExposeSecretForWriting();
  const ByteView secret = key.ExposeSecret();
  const Digest256 digest = DigestOf(context);
  std::copy(secret.begin(), secret.end(), bytes.begin());
  std::copy(digest.begin(), digest.end(), bytes.begin() + static_cast<std::ptrdiff_t>(key.size()));
  return payload;
}

KmsResult<SecretBytes> OpenPayload(std::string_view operation, const SecretBytes& payload,
                                   const EncryptionContext& context) {
  if (payload.size() != kPayloadSize) {
    return tl::unexpected(OwnFailure(
        KmsMeaning::kWrongCiphertext, operation,
        fmt::format("the plaintext has {} bytes instead of {}", payload.size(), kPayloadSize)));
  }
  const ByteView bytes = payload.ExposeSecret();
  if (!ConstantTimeEqual(bytes.subspan(kKeySize), DigestOf(context))) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, operation,
                                     "the key was wrapped with another encryption context"));
  }
  return SecretBytes::CopyOf(bytes.first(kKeySize));
}

}  // namespace freehold::azure
