#include "crypto/signing_key.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/key_pem.h"
#include "crypto/openssl_pointers.h"

namespace freehold {
namespace {

constexpr std::size_t kSignatureSize = 64;

bool IsEd25519(EVP_PKEY* key) {
  return key != nullptr && EVP_PKEY_base_id(key) == EVP_PKEY_ED25519;
}

Error NoKey(const char* which) {
  ERR_clear_error();
  return Error(ErrorCode::kInvalidArgument,
               std::string("the PEM holds no Ed25519 ") + which + " key");
}

}  // namespace

Result<SigningKey> SigningKey::Own(std::shared_ptr<evp_pkey_st> key) {
  SigningKey owned;
  owned.id_ = TRY(PublicKeyDigest(key.get()));
  owned.key_ = std::move(key);
  return owned;
}

Result<SigningKey> SigningKey::Generate() {
  return Own(OwnKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
}

Result<SigningKey> SigningKey::FromPem(const SecretBytes& pem) {
  auto key = ReadPrivateKey(pem);
  if (!IsEd25519(key.get())) return NoKey("private");
  return Own(std::move(key));
}

SecretBytes SigningKey::PrivatePem() const {
  return std::move(*PrivateKeyPem(key_.get()));  // of a key that we hold, which can be written
}

std::string SigningKey::PublicPem() const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key_.get());
  return std::string(AsText(BytesIn(bio.get())));
}

Result<Bytes> SigningKey::Sign(ByteView message) const {
  const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  Bytes signature(kSignatureSize);
  std::size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1 &&
      size == kSignatureSize) {
    return signature;
  }
  ERR_clear_error();
  return Error(ErrorCode::kInternal, "OpenSSL: no signature could be made");
}

Result<std::vector<VerifyingKey>> VerifyingKey::AllInPem(std::string_view pem) {
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<VerifyingKey> keys;
  while (EVP_PKEY* key = PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr)) {
    VerifyingKey owned;
    owned.key_ = OwnKey(key);
    if (!IsEd25519(key)) return NoKey("public");
    owned.id_ = TRY(PublicKeyDigest(key));
    keys.push_back(std::move(owned));
  }
  if (keys.empty()) return NoKey("public");
  ERR_clear_error();
  return keys;
}

Status VerifyingKey::Verify(ByteView message, ByteView signature) const {
  const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                       message.size()) == 1) {
    return {};
  }
  ERR_clear_error();
  return Error(ErrorCode::kKeyData, "the signature does not fit");
}

}  // namespace freehold
