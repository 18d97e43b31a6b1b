// Private keys in PEM, and the digest by which a public key is known, for the .cc files of crypto/.
//
// Errors: kInternal for what OpenSSL cannot do. Threads: safe. Spec: RFC 7468, RFC 5208 (PKCS#8).
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

// PKCS#8, unencrypted.
Result<SecretBytes> PrivateKeyPem(EVP_PKEY* key);
// Null when it is none, or encrypted: nobody is there to type a passphrase.
std::shared_ptr<EVP_PKEY> ReadPrivateKey(const SecretBytes& pem);
// SHA-256, in hex, of the key's SubjectPublicKeyInfo. Null is an error.
Result<std::string> PublicKeyDigest(EVP_PKEY* key);

}  // namespace freehold
