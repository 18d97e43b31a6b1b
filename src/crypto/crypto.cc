#include "crypto/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/locked_arena.h"

namespace freehold {
namespace {

void* HookAllocate(std::size_t size, const char*, int) { return LockedAllocate(size); }
void* HookReallocate(void* block, std::size_t size, const char*, int) {
  return LockedReallocate(block, size);
}
void HookFree(void* block, const char*, int) { LockedFree(block); }

[[noreturn]] void Stop(const char* what) {
  std::fprintf(stderr, "freehold: OpenSSL cannot provide %s\n", what);
  std::_Exit(1);
}

struct CipherContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDeleter>;

const EVP_CIPHER* Gcm() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  if (cipher == nullptr) Stop("AES-256-GCM");
  return cipher;
}

EVP_MD* Sha256Algorithm() {
  static EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (digest == nullptr) Stop("SHA-256");
  return digest;
}

EVP_MAC* Hmac() {
  static EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (mac == nullptr) Stop("HMAC");
  return mac;
}

EVP_KDF* Hkdf() {
  static EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  if (kdf == nullptr) Stop("HKDF");
  return kdf;
}

OSSL_PARAM OctetParam(const char* name, ByteView bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()),
                                           bytes.size());
}

OSSL_PARAM Sha256Param(const char* name) {
  static char sha256[] = "SHA256";
  return OSSL_PARAM_construct_utf8_string(name, sha256, 0);
}

}  // namespace

Status UseLockedMemoryForCrypto() {
  if (CRYPTO_set_mem_functions(HookAllocate, HookReallocate, HookFree) != 1) {
    return Error(ErrorCode::kInternal, "OpenSSL was used before its memory could be locked");
  }
  return {};
}

void RandomFill(MutableByteView into) {
  if (RAND_priv_bytes(into.data(), static_cast<int>(into.size())) != 1) Stop("random bytes");
}

Bytes RandomBytes(std::size_t size) {
  Bytes bytes(size);
  RandomFill(bytes);
  return bytes;
}

SecretBytes RandomSecret(std::size_t size) {
  SecretBytes secret(size);
  RandomFill(secret.ExposeSecretForWriting());
  return secret;
}

Digest256 Sha256(ByteView data) {
  Digest256 digest{};
  if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, Sha256Algorithm(), nullptr) != 1)
    Stop("SHA-256");
  return digest;
}

Digest256 HmacSha256(ByteView key, ByteView data) {
  Digest256 tag{};
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(Hmac());
  const OSSL_PARAM params[] = {Sha256Param(OSSL_MAC_PARAM_DIGEST), OSSL_PARAM_construct_end()};
  std::size_t size = 0;
  const bool ok = context != nullptr &&
                  EVP_MAC_init(context, key.data(), key.size(), params) == 1 &&
                  EVP_MAC_update(context, data.data(), data.size()) == 1 &&
                  EVP_MAC_final(context, tag.data(), &size, tag.size()) == 1;
  EVP_MAC_CTX_free(context);
  if (!ok) Stop("HMAC-SHA256");
  return tag;
}

SecretBytes DeriveKey(const SecretBytes& key, ByteView salt, std::string_view label,
                      std::size_t size) {
  SecretBytes derived(size);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(Hkdf());
  const OSSL_PARAM params[] = {
      Sha256Param(OSSL_KDF_PARAM_DIGEST), OctetParam(OSSL_KDF_PARAM_KEY, key.ExposeSecret()),
      OctetParam(OSSL_KDF_PARAM_SALT, salt), OctetParam(OSSL_KDF_PARAM_INFO, AsBytes(label)),
      OSSL_PARAM_construct_end()};
  const bool ok =
      context != nullptr &&
      EVP_KDF_derive(context, derived.ExposeSecretForWriting().data(), size, params) == 1;
  EVP_KDF_CTX_free(context);
  if (!ok) Stop("HKDF-SHA256");
  return derived;
}

Result<Bytes> GcmEncrypt(const SecretBytes& key, ByteView associated_data, ByteView plaintext) {
  Bytes sealed(kGcmNonceSize + plaintext.size() + kGcmTagSize);
  RandomFill(MutableByteView(sealed).first(kGcmNonceSize));
  CipherContext context(EVP_CIPHER_CTX_new());
  int n = 0;
  std::uint8_t* out = sealed.data() + kGcmNonceSize;
  const bool ok = EVP_EncryptInit_ex2(context.get(), Gcm(), key.ExposeSecret().data(),
                                      sealed.data(), nullptr) == 1 &&
                  EVP_EncryptUpdate(context.get(), nullptr, &n, associated_data.data(),
                                    static_cast<int>(associated_data.size())) == 1 &&
                  EVP_EncryptUpdate(context.get(), out, &n, plaintext.data(),
                                    static_cast<int>(plaintext.size())) == 1 &&
                  EVP_EncryptFinal_ex(context.get(), out + plaintext.size(), &n) == 1 &&
                  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagSize,
                                      out + plaintext.size()) == 1;
  if (!ok) return Error(ErrorCode::kInternal, "AES-256-GCM encryption failed");
  return sealed;
}

Result<SecretBytes> GcmDecrypt(const SecretBytes& key, ByteView associated_data, ByteView sealed) {
  if (sealed.size() < kGcmNonceSize + kGcmTagSize) {
    return Error(ErrorCode::kKeyData, "a sealed value is too short");
  }
  const ByteView ciphertext =
      sealed.subspan(kGcmNonceSize, sealed.size() - kGcmNonceSize - kGcmTagSize);
  Bytes tag = ToBytes(sealed.last(kGcmTagSize));
  SecretBytes plaintext(ciphertext.size());
  CipherContext context(EVP_CIPHER_CTX_new());
  int n = 0;
  std::uint8_t* out = plaintext.ExposeSecretForWriting().data();
  const bool ok =
      EVP_DecryptInit_ex2(context.get(), Gcm(), key.ExposeSecret().data(), sealed.data(),
                          nullptr) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &n, associated_data.data(),
                        static_cast<int>(associated_data.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), out, &n, ciphertext.data(),
                        static_cast<int>(ciphertext.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), out + ciphertext.size(), &n) == 1;
  if (!ok) return Error(ErrorCode::kKeyData, "a sealed value does not fit the key or its context");
  return plaintext;
}

bool ConstantTimeEqual(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace freehold
