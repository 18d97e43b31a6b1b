// The bytes that stand for an encryption context where a KMS binds bytes and not pairs.
#pragma once

#include "kms/key_provider.h"

namespace freehold {

// A JSON object of strings, names sorted, no blanks: {"freehold:cluster":"c1",...}. The same for
// every provider, so that a person can rebuild it with the service's own tools.
std::string CanonicalContext(const EncryptionContext& context);

// What a provider does with an answer's plaintext: exactly kKeySize bytes, or kWrongCiphertext.
KmsResult<SecretBytes> RequireKeySize(std::string_view operation, SecretBytes plaintext);

}  // namespace freehold
