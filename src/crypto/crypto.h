// Small cryptography: random, digests, MAC, key derivation, authenticated wrapping.
//
// crypto/ is the only folder that includes OpenSSL's EVP. Keys come and go as SecretBytes.
// Errors: a failing library is kInternal; a tag or MAC that does not fit is kKeyData.
// Threads: safe. Spec: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), RFC 5869 (HKDF), SP 800-38D (GCM).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

inline constexpr std::size_t kKeySize = 32;
inline constexpr std::size_t kGcmNonceSize = 12;
inline constexpr std::size_t kGcmTagSize = 16;

using Digest256 = std::array<std::uint8_t, 32>;

// Puts all of libcrypto's own memory (expanded AES keys, HMAC states) into the locked arena, so
// that freeing wipes it. Call before anything else uses libcrypto; processes that hold keys only.
Status UseLockedMemoryForCrypto();

void RandomFill(MutableByteView into);  // stops the process if the system has no randomness
Bytes RandomBytes(std::size_t size);
SecretBytes RandomSecret(std::size_t size);

Digest256 Sha256(ByteView data);
Digest256 HmacSha256(ByteView key, ByteView data);

// HKDF-SHA256: extract with `salt`, expand with `label`. `size` at most 255 * 32.
SecretBytes DeriveKey(const SecretBytes& key, ByteView salt, std::string_view label,
                      std::size_t size);

// AES-256-GCM. Sealed form: nonce (12, random) | ciphertext | tag (16).
Result<Bytes> GcmEncrypt(const SecretBytes& key, ByteView associated_data, ByteView plaintext);
Result<SecretBytes> GcmDecrypt(const SecretBytes& key, ByteView associated_data, ByteView sealed);

// Equal lengths: time does not depend on the contents.
bool ConstantTimeEqual(ByteView a, ByteView b);

}  // namespace freehold
