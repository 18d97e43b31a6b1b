// CipherContexts: OpenSSL cipher contexts with one key in place. For src/crypto only.
//
// Fetching a cipher and making a context cost more than a unit's encryption: both are done once,
// and later only the initialisation vector is set. A context serves one thread at a time, so there
// are as many of them as there ever were threads at the same time. Threads: safe.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/secret_bytes.h"

namespace freehold {

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter>;

enum class Direction { kDecrypt = 0, kEncrypt = 1 };

class CipherContexts {
 public:
  CipherContexts(const EVP_CIPHER* cipher, Direction direction)
      : cipher_(cipher), direction_(direction) {}

  // The key is always the same one. Null when the library offers no such cipher, or refuses the
  // key.
  CipherContext Take(const SecretBytes& key) {
    {
      std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        CipherContext context = std::move(spare_.back());
        spare_.pop_back();
        return context;
      }
    }
    CipherContext context(EVP_CIPHER_CTX_new());
    if (context == nullptr || cipher_ == nullptr) return nullptr;
    if (EVP_CipherInit_ex2(context.get(), cipher_, key.ExposeSecret().data(), nullptr,
                           static_cast<int>(direction_), nullptr) != 1) {
      return nullptr;
    }
    return context;
  }

  void GiveBack(CipherContext context) {
    std::lock_guard lock(mutex_);
    spare_.push_back(std::move(context));
  }

 private:
  const EVP_CIPHER* const cipher_;
  const Direction direction_;
  std::mutex mutex_;
  std::vector<CipherContext> spare_;
};

// Encrypts or decrypts `in` under `iv`, the cipher's length of initialisation vector.
inline bool RunCipher(EVP_CIPHER_CTX* context, const std::uint8_t* iv, ByteView in,
                      MutableByteView out) {
  const int size = static_cast<int>(in.size());
  int n = 0;
  return EVP_CipherInit_ex2(context, nullptr, nullptr, iv, -1, nullptr) == 1 &&
         EVP_CipherUpdate(context, out.data(), &n, in.data(), size) == 1 && n == size;
}

}  // namespace freehold
