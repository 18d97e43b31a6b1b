#include "crypto/key_pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/crypto.h"
#include "crypto/openssl_pointers.h"

namespace freehold {
namespace {

Error Failed(const char* what) {
  ERR_clear_error();
  return Error(ErrorCode::kInternal, std::string("OpenSSL: ") + what);
}

}  // namespace

Result<SecretBytes> PrivateKeyPem(EVP_PKEY* key) {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("no key could be written");
  }
  return SecretBytes::CopyOf(BytesIn(bio.get()));
}

std::shared_ptr<EVP_PKEY> ReadPrivateKey(const SecretBytes& pem) {
  const ByteView text = pem.ExposeSecret();
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  return OwnKey(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
}

Result<std::string> PublicKeyDigest(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = key == nullptr ? -1 : i2d_PUBKEY(key, &der);
  if (size <= 0) return Failed("a public key cannot be read");
  std::string digest = HexEncode(Sha256(ByteView(der, static_cast<std::size_t>(size))));
  OPENSSL_free(der);
  return digest;
}

}  // namespace freehold
