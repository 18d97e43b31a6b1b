#include "crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "crypto/crypto.h"
#include "crypto/openssl_pointers.h"

namespace freehold {
namespace {

constexpr long kDay = 24 * 60 * 60;

Error Failed(const char* what) {
  ERR_clear_error();
  return Error(ErrorCode::kInternal, std::string("OpenSSL: ") + what);
}

bool AddExtension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Everything but what distinguishes an authority from a server.
OpenSslPtr<X509> NewCertificate(EVP_PKEY* key, const std::string& name, WallTime now) {
  OpenSslPtr<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  Bytes serial = RandomBytes(16);
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  const std::time_t start =
      std::chrono::duration_cast<std::chrono::seconds>(now.since_epoch).count() - kDay;
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), start);
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), start + 3650 * kDay);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

Result<CertificateAndKey> Signed(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  const OpenSslPtr<BIO> certificate_bio(BIO_new(BIO_s_mem()));
  const OpenSslPtr<BIO> key_bio(BIO_new(BIO_s_secmem()));
  if (X509_sign(certificate, signer, EVP_sha256()) == 0 ||
      PEM_write_bio_X509(certificate_bio.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return Failed("no certificate could be made");
  }
  return CertificateAndKey{std::string(AsText(BytesIn(certificate_bio.get()))),
                           SecretBytes::CopyOf(BytesIn(key_bio.get()))};
}

OpenSslPtr<X509> ReadCertificate(std::string_view pem) {
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return OpenSslPtr<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

}  // namespace

Result<CertificateAndKey> MakeAuthority(const std::string& name, WallTime now) {
  const auto key = OwnKey(EVP_EC_gen("P-256"));
  const auto certificate = NewCertificate(key.get(), name, now);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  if (!AddExtension(certificate.get(), certificate.get(), NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(certificate.get(), certificate.get(), NID_key_usage,
                    "critical,keyCertSign,cRLSign") ||
      !AddExtension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash")) {
    return Failed("no authority could be made");
  }
  return Signed(certificate.get(), key.get(), key.get());
}

Result<CertificateAndKey> MakeServerCertificate(const CertificateAndKey& authority,
                                                const std::vector<std::string>& names,
                                                const std::vector<std::string>& addresses,
                                                WallTime now) {
  const auto issuer = ReadCertificate(authority.certificate_pem);
  const ByteView text = authority.key_pem.ExposeSecret();
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const auto signer = OwnKey(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (issuer == nullptr || signer == nullptr || names.empty()) {
    return Failed("the authority cannot be read");
  }
  std::string alternatives;
  for (const std::string& name : names) alternatives += ",DNS:" + name;
  for (const std::string& address : addresses) alternatives += ",IP:" + address;

  const auto key = OwnKey(EVP_EC_gen("P-256"));
  const auto certificate = NewCertificate(key.get(), names.front(), now);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  if (!AddExtension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate.get(), issuer.get(), NID_ext_key_usage, "serverAuth") ||
      !AddExtension(certificate.get(), issuer.get(), NID_authority_key_identifier, "keyid") ||
      !AddExtension(certificate.get(), issuer.get(), NID_subject_alt_name,
                    alternatives.substr(1))) {
    return Failed("no server certificate could be made");
  }
  return Signed(certificate.get(), key.get(), signer.get());
}

Result<Bytes> CertificateThumbprint(std::string_view pem) {
  const auto certificate = ReadCertificate(pem);
  Bytes digest(32);
  unsigned size = 0;
  if (certificate == nullptr ||
      X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) {
    ERR_clear_error();
    return Error(ErrorCode::kInvalidArgument, "there is no certificate in the PEM");
  }
  return digest;
}

Result<RsaKey> CertificateKey(std::string_view pem) {
  const auto certificate = ReadCertificate(pem);
  EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate.get());
  BIGNUM* n = nullptr;
  BIGNUM* e = nullptr;
  const bool is_rsa = key != nullptr && EVP_PKEY_base_id(key) == EVP_PKEY_RSA &&
                      EVP_PKEY_get_bn_param(key, "n", &n) == 1 &&
                      EVP_PKEY_get_bn_param(key, "e", &e) == 1;
  Bytes modulus(is_rsa ? static_cast<std::size_t>(BN_num_bytes(n)) : 0);
  Bytes exponent(is_rsa ? static_cast<std::size_t>(BN_num_bytes(e)) : 0);
  if (is_rsa) {
    BN_bn2bin(n, modulus.data());
    BN_bn2bin(e, exponent.data());
  }
  BN_free(n);
  BN_free(e);
  ERR_clear_error();
  if (!is_rsa) {
    return Error(ErrorCode::kInvalidArgument, "there is no certificate of an RSA key in the PEM");
  }
  return RsaKey::FromPublicParts(modulus, exponent);
}

}  // namespace freehold
