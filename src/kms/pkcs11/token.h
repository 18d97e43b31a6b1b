// Token: a PKCS#11 module loaded, a session on the token that a URI names, and the key found there.
//
//   FREEHOLD_PKCS11_MODULE    the module's file, absolute
//   FREEHOLD_PKCS11_PIN_FILE  a file with the user's PIN
//
// Logs out, closes and unloads when it goes. A PIN whose next failure would lock the token is not
// tried. Errors: KmsFailure. Threads: one, and no fork while it lives. Spec: PKCS #11 2.40.
#pragma once

#include <memory>
#include <string>

#include "kms/service/surroundings.h"

namespace freehold::pkcs11 {

struct KeyAttributes {
  bool encrypts = false;
  bool decrypts = false;
  bool sensitive = true;
  bool extractable = false;
  std::string label;
  Bytes id;
};

class Token {
 public:
  virtual ~Token() = default;
  // AES-GCM with a tag of 16 bytes behind the ciphertext. `iv` has 12 bytes; a token that makes its
  // own puts it there.
  virtual KmsResult<Bytes> Encrypt(Bytes& iv, ByteView associated_data, ByteView plaintext) = 0;
  virtual KmsResult<SecretBytes> Decrypt(const Bytes& iv, ByteView associated_data,
                                         ByteView ciphertext) = 0;
  virtual KmsResult<KeyAttributes> Attributes() = 0;
  virtual std::string Name() const = 0;  // "token freehold (SoftHSM v2, serial 1234)"
};

KmsResult<std::unique_ptr<Token>> OpenToken(const Pkcs11KeyName& key,
                                            const Surroundings& surroundings);

}  // namespace freehold::pkcs11
