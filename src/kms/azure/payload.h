// What is wrapped: the key and, since neither RSA-OAEP nor AES key wrap has associated data, the
// encryption context's digest beside it.
//
//   offset  bytes
//   0       32     the key
//   32      32     SHA-256 of CanonicalContext(context): of {"freehold:cluster":"c1",...}
//
// 64 bytes fit RSA-OAEP-256 with a key of 2048 bits (190 at most) and are a multiple of 8, as AES
// key wrap needs. Key Vault neither sees nor checks the context: we compare it, in constant time.
// Whoever has the public key can wrap a key of their own: that a KEK is the volume's own is proven
// by its id, which is pinned off the volume, and not here.
// Errors: kWrongCiphertext. Threads: safe.
#pragma once

#include "kms/key_provider.h"

namespace freehold::azure {

SecretBytes SealContext(const SecretBytes& key, const EncryptionContext& context);

KmsResult<SecretBytes> OpenPayload(std::string_view operation, const SecretBytes& payload,
                                   const EncryptionContext& context);

}  // namespace freehold::azure
