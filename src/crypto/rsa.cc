#include "crypto/rsa.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "crypto/openssl_pointers.h"

namespace freehold {
namespace {

constexpr int kFewestBits = 2048;

Error Failed(const char* what) {
  ERR_clear_error();
  return Error(ErrorCode::kInternal, std::string("OpenSSL: ") + what);
}

Error Unfit(const char* what) {
  ERR_clear_error();
  return Error(ErrorCode::kKeyData, what);
}

Bytes PartOf(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return {};
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  BN_free(number);
  return bytes;
}

const EVP_MD* DigestOf(OaepDigest digest) {
  return digest == OaepDigest::kSha1 ? EVP_sha1() : EVP_sha256();
}

bool UseOaep(EVP_PKEY_CTX* context, OaepDigest digest) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_oaep_md(context, DigestOf(digest)) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, DigestOf(digest)) == 1;
}

const char* KeyWrapName(std::size_t key_size, bool with_padding) {
  switch (key_size) {
    case 16:
      return with_padding ? "AES-128-WRAP-PAD" : "AES-128-WRAP";
    case 24:
      return with_padding ? "AES-192-WRAP-PAD" : "AES-192-WRAP";
    case 32:
      return with_padding ? "AES-256-WRAP-PAD" : "AES-256-WRAP";
    default:
      return nullptr;
  }
}

// Into `out`, which is large enough; how much was written, or -1.
int RunKeyWrap(const SecretBytes& key, ByteView in, bool with_padding, bool encrypt,
               std::uint8_t* out) {
  const char* name = KeyWrapName(key.size(), with_padding);
  if (name == nullptr || in.empty() || in.size() > 64 << 10) return -1;
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  int rest = 0;
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  const bool done =
      cipher != nullptr &&
      EVP_CipherInit_ex2(context.get(), cipher, key.ExposeSecret().data(), nullptr, encrypt ? 1 : 0,
                         nullptr) == 1 &&
      EVP_CipherUpdate(context.get(), out, &size, in.data(), static_cast<int>(in.size())) == 1 &&
      EVP_CipherFinal_ex(context.get(), out + size, &rest) == 1;
  EVP_CIPHER_free(cipher);
  return done ? size + rest : -1;
}

}  // namespace

Result<RsaKey> RsaKey::Generate(int bits) {
  EVP_PKEY* key = EVP_RSA_gen(static_cast<unsigned>(bits));
  if (key == nullptr) return Failed("no RSA key could be made");
  return RsaKey(OwnKey(key), true);
}

Result<RsaKey> RsaKey::FromPem(const SecretBytes& pem) {
  const ByteView text = pem.ExposeSecret();
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  // A key that wants a passphrase is refused; the default would ask for it on the terminal.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr);
  if (key == nullptr) {
    ERR_clear_error();
    return Error(ErrorCode::kInvalidArgument, "there is no unencrypted private key in the PEM");
  }
  auto owner = OwnKey(key);
  if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_bits(key) < kFewestBits) {
    return Error(ErrorCode::kInvalidArgument, "the private key is no RSA key of 2048 bits or more");
  }
  return RsaKey(std::move(owner), true);
}

Result<RsaKey> RsaKey::FromPublicPem(std::string_view pem) {
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr);
  auto owner = OwnKey(key);
  if (key == nullptr || EVP_PKEY_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_bits(key) < kFewestBits) {
    ERR_clear_error();
    return Error(ErrorCode::kInvalidArgument, "the PEM holds no RSA public key");
  }
  return RsaKey(std::move(owner), false);
}

Result<RsaKey> RsaKey::FromPublicParts(ByteView modulus, ByteView exponent) {
  BIGNUM* n = BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr);
  BIGNUM* e = BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr);
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  EVP_PKEY* key = nullptr;
  const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
    OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder);
    if (EVP_PKEY_fromdata_init(context.get()) == 1) {
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params);
    }
    OSSL_PARAM_free(params);
  }
  OSSL_PARAM_BLD_free(builder);
  BN_free(n);
  BN_free(e);
  if (key == nullptr || EVP_PKEY_bits(key) < kFewestBits) {
    EVP_PKEY_free(key);
    ERR_clear_error();
    return Error(ErrorCode::kInvalidArgument, "these are not the parts of an RSA key");
  }
  return RsaKey(OwnKey(key), false);
}

Bytes RsaKey::Modulus() const { return PartOf(key_.get(), OSSL_PKEY_PARAM_RSA_N); }
Bytes RsaKey::Exponent() const { return PartOf(key_.get(), OSSL_PKEY_PARAM_RSA_E); }

SecretBytes RsaKey::PrivatePem() const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_secmem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return SecretBytes::CopyOf(BytesIn(bio.get()));
}

SecretBytes RsaKey::PrivateDer() const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_secmem()));
  i2d_PKCS8PrivateKey_bio(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return SecretBytes::CopyOf(BytesIn(bio.get()));
}

std::string RsaKey::PublicPem() const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key_.get());
  return std::string(AsText(BytesIn(bio.get())));
}

Bytes RsaKey::PublicDer() const {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  i2d_PUBKEY_bio(bio.get(), key_.get());
  return ToBytes(BytesIn(bio.get()));
}

Result<Bytes> RsaKey::SignSha256(ByteView message) const {
  const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_size(key_.get()));
  Bytes signature(size);
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return Failed("nothing could be signed");
  }
  signature.resize(size);
  return signature;
}

Status RsaKey::VerifySha256(ByteView message, ByteView signature) const {
  const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  if (EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                       message.size()) != 1) {
    return Unfit("the signature does not fit");
  }
  return {};
}

Result<Bytes> RsaKey::OaepEncrypt(OaepDigest digest, ByteView plaintext) const {
  const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_size(key_.get()));
  Bytes ciphertext(size);
  if (EVP_PKEY_encrypt_init(context.get()) != 1 || !UseOaep(context.get(), digest) ||
      EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, plaintext.data(),
                       plaintext.size()) != 1) {
    return Unfit("the plaintext is too long for this RSA key");
  }
  ciphertext.resize(size);
  return ciphertext;
}

Result<SecretBytes> RsaKey::OaepDecrypt(OaepDigest digest, ByteView ciphertext) const {
  const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_size(key_.get()));
  SecretBytes block(size);
  if (EVP_PKEY_decrypt_init(context.get()) != 1 || !UseOaep(context.get(), digest) ||
      EVP_PKEY_decrypt(context.get(), block.ExposeSecretForWriting().data(), &size,
                       ciphertext.data(), ciphertext.size()) != 1) {
    return Unfit("the ciphertext was not made with this RSA key");
  }
  return SecretBytes::CopyOf(block.ExposeSecret().first(size));
}

Result<Bytes> AesKeyWrap(const SecretBytes& key, ByteView plaintext, bool with_padding) {
  Bytes wrapped(plaintext.size() + 16 + 8);
  const int size = RunKeyWrap(key, plaintext, with_padding, true, wrapped.data());
  if (size < 0) return Unfit("this cannot be wrapped with that AES key");
  wrapped.resize(static_cast<std::size_t>(size));
  return wrapped;
}

Result<SecretBytes> AesKeyUnwrap(const SecretBytes& key, ByteView wrapped, bool with_padding) {
  SecretBytes plaintext(wrapped.size() + 16);
  const int size =
      RunKeyWrap(key, wrapped, with_padding, false, plaintext.ExposeSecretForWriting().data());
  if (size <= 0) return Unfit("the wrapped key was not made with this AES key");
  return SecretBytes::CopyOf(plaintext.ExposeSecret().first(static_cast<std::size_t>(size)));
}

}  // namespace freehold
