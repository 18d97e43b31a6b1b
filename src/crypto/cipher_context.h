// CipherContext: an OpenSSL cipher context with its key in place. For src/crypto only.
//
// Fetching a cipher and making a context cost more than a unit's encryption: both are done once,
// and later only the initialisation vector is set.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "base/bytes.h"
#include "base/secret_bytes.h"

namespace freehold {

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter>;

enum class Direction { kDecrypt = 0, kEncrypt = 1 };

// Null when the library offers no such cipher, or refuses the key.
inline CipherContext NewCipherContext(const EVP_CIPHER* cipher, const SecretBytes& key,
                                      Direction direction) {
  CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr || cipher == nullptr) return nullptr;
  if (EVP_CipherInit_ex2(context.get(), cipher, key.ExposeSecret().data(), nullptr,
                         static_cast<int>(direction), nullptr) != 1) {
    return nullptr;
  }
  return context;
}

// Encrypts or decrypts `in` under `iv`, the cipher's length of initialisation vector.
inline bool RunCipher(EVP_CIPHER_CTX* context, const std::uint8_t* iv, ByteView in,
                      MutableByteView out) {
  const int size = static_cast<int>(in.size());
  int n = 0;
  return EVP_CipherInit_ex2(context, nullptr, nullptr, iv, -1, nullptr) == 1 &&
         EVP_CipherUpdate(context, out.data(), &n, in.data(), size) == 1 && n == size;
}

}  // namespace freehold
