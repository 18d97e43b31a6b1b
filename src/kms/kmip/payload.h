// What is encrypted where a server has no associated data: the key, and what binds it to its
// encryption context.
//
//   offset  bytes
//   0       32     the key
//   32      32     HMAC-SHA256 under that key of "freehold kmip context", a zero byte, and
//                  CanonicalContext(context)
//
// AES-CTR keeps a secret and notices no change. The second half is what notices: whoever changes a
// bit of the ciphertext, or offers it under another context, would have to know the key that comes
// out. Whoever knows a key that was wrapped can make its ciphertext one of another key that they
// choose: that a KEK is the volume's own is proven by its id, which is pinned off the volume, and
// not here. The server neither sees nor checks the context.
// Errors: kWrongCiphertext. Threads: safe. Spec: RFC 2104.
#pragma once

#include "kms/key_provider.h"

namespace freehold::kmip {

SecretBytes SealContext(const SecretBytes& key, const EncryptionContext& context);

KmsResult<SecretBytes> OpenPayload(std::string_view operation, ByteView payload,
                                   const EncryptionContext& context);

}  // namespace freehold::kmip
