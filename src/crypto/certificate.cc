#include "crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>

#include "crypto/crypto.h"
#include "crypto/key_pem.h"
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

constexpr Duration kTenYears = std::chrono::hours(24) * 3650;

// Everything but what distinguishes an authority from a server or a client.
OpenSslPtr<X509> NewCertificate(EVP_PKEY* key, const std::string& name, WallTime now,
                                Duration valid_for = kTenYears) {
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
  const auto valid_seconds = std::chrono::duration_cast<std::chrono::seconds>(valid_for).count();
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), start + kDay + valid_seconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

Result<std::string> SignedPem(X509* certificate, EVP_PKEY* signer) {
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (X509_sign(certificate, signer, EVP_sha256()) == 0 ||
      PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return Failed("no certificate could be made");
  }
  return std::string(AsText(BytesIn(bio.get())));
}

Result<CertificateAndKey> Signed(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  std::string certificate_pem = TRY(SignedPem(certificate, signer));
  SecretBytes key_pem = TRY(PrivateKeyPem(key));
  return CertificateAndKey{std::move(certificate_pem), std::move(key_pem)};
}

// Null unless it is signed by its own key, of P-256.
OpenSslPtr<X509_REQ> ReadRequest(ByteView der) {
  const unsigned char* start = der.data();
  OpenSslPtr<X509_REQ> request(d2i_X509_REQ(nullptr, &start, static_cast<long>(der.size())));
  const EVP_PKEY* key = request == nullptr ? nullptr : X509_REQ_get0_pubkey(request.get());
  if (key != nullptr && EVP_PKEY_base_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) == 256 &&
      X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) == 1) {
    return request;
  }
  ERR_clear_error();
  return nullptr;
}

Error BadRequest() {
  return Error(ErrorCode::kInvalidArgument, "this is no certificate request that proves itself");
}

WallTime WallTimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return WallTime{std::chrono::seconds(timegm(&parts))};
}

OpenSslPtr<X509> ReadCertificate(std::string_view pem) {
  const OpenSslPtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return OpenSslPtr<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

struct Signer {
  OpenSslPtr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
};

Result<Signer> SignerOf(const CertificateAndKey& authority) {
  Signer signer{ReadCertificate(authority.certificate_pem), ReadPrivateKey(authority.key_pem)};
  if (signer.certificate == nullptr || signer.key == nullptr) {
    return Failed("the authority cannot be read");
  }
  return signer;
}

Result<CertificateOwner> OwnerOfCertificate(X509* certificate) {
  if (certificate == nullptr) {
    ERR_clear_error();
    return Error(ErrorCode::kInvalidArgument, "there is no certificate");
  }
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  std::string digest = TRY(PublicKeyDigest(X509_get0_pubkey(certificate)));
  return CertificateOwner{name.data(), std::move(digest),
                          WallTimeOf(X509_get0_notBefore(certificate)),
                          WallTimeOf(X509_get0_notAfter(certificate))};
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
  const Signer signer = TRY(SignerOf(authority));
  X509* const issuer = signer.certificate.get();
  if (names.empty()) return Failed("a server without a name");
  std::string alternatives;
  for (const std::string& name : names) alternatives += ",DNS:" + name;
  for (const std::string& address : addresses) alternatives += ",IP:" + address;

  const auto key = OwnKey(EVP_EC_gen("P-256"));
  const auto certificate = NewCertificate(key.get(), names.front(), now);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  if (!AddExtension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth") ||
      !AddExtension(certificate.get(), issuer, NID_authority_key_identifier, "keyid") ||
      !AddExtension(certificate.get(), issuer, NID_subject_alt_name, alternatives.substr(1))) {
    return Failed("no server certificate could be made");
  }
  return Signed(certificate.get(), key.get(), signer.key.get());
}

Result<CertificateRequest> MakeCertificateRequest(const std::string& name) {
  const auto key = OwnKey(EVP_EC_gen("P-256"));
  const OpenSslPtr<X509_REQ> request(X509_REQ_new());
  const OpenSslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  if (X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0 ||
      i2d_X509_REQ_bio(bio.get(), request.get()) != 1) {
    return Failed("no certificate request could be made");
  }
  SecretBytes key_pem = TRY(PrivateKeyPem(key.get()));
  const ByteView der = BytesIn(bio.get());
  return CertificateRequest{Bytes(der.begin(), der.end()), std::move(key_pem)};
}

Result<std::string> RequestKeyDigest(ByteView der) {
  const auto request = ReadRequest(der);
  if (request == nullptr) return BadRequest();
  return PublicKeyDigest(X509_REQ_get0_pubkey(request.get()));
}

Result<std::string> SignClientCertificate(const CertificateAndKey& authority, ByteView der,
                                          const std::string& name, WallTime now,
                                          Duration valid_for) {
  const Signer signer = TRY(SignerOf(authority));
  const auto request = ReadRequest(der);
  if (request == nullptr) return BadRequest();
  const auto certificate =
      NewCertificate(X509_REQ_get0_pubkey(request.get()), name, now, valid_for);
  X509* const issuer = signer.certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
  if (!AddExtension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate.get(), issuer, NID_ext_key_usage, "clientAuth") ||
      !AddExtension(certificate.get(), issuer, NID_authority_key_identifier, "keyid")) {
    return Failed("no client certificate could be made");
  }
  return SignedPem(certificate.get(), signer.key.get());
}

Result<CertificateOwner> OwnerOfPem(std::string_view pem) {
  return OwnerOfCertificate(ReadCertificate(pem).get());
}

Result<bool> IsKeyOf(const SecretBytes& key_pem, const CertificateOwner& owner) {
  const auto key = ReadPrivateKey(key_pem);
  if (key == nullptr) {
    ERR_clear_error();
    return Error(ErrorCode::kInvalidArgument, "there is no private key in unencrypted PEM");
  }
  return TRY(PublicKeyDigest(key.get())) == owner.key_digest;
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
