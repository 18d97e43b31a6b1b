// RsaKey: an RSA key pair, or its public half: signatures of tokens, and keys wrapped with OAEP.
//
// Key pairs come from PEM (PKCS#8 or PKCS#1) or are made here; nothing is printed but public parts.
// Errors: kInvalidArgument for a PEM that is no RSA key of 2048 bits or more; kKeyData for a
// ciphertext or signature that does not fit. Threads: safe. Spec: RFC 8017 (RSASSA-PKCS1-v1_5 with
// SHA-256; RSAES-OAEP), RFC 7468 (PEM).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"

struct evp_pkey_st;

namespace freehold {

enum class OaepDigest { kSha1, kSha256 };

class RsaKey {
 public:
  static Result<RsaKey> Generate(int bits);
  static Result<RsaKey> FromPem(const SecretBytes& pem);
  static Result<RsaKey> FromPublicPem(std::string_view pem);  // SubjectPublicKeyInfo
  static Result<RsaKey> FromPublicParts(ByteView modulus, ByteView exponent);  // big-endian

  bool has_private_part() const { return has_private_part_; }
  Bytes Modulus() const;
  Bytes Exponent() const;
  SecretBytes PrivatePem() const;  // PKCS#8, unencrypted
  SecretBytes PrivateDer() const;  // the same
  std::string PublicPem() const;   // SubjectPublicKeyInfo
  Bytes PublicDer() const;         // the same

  Result<Bytes> SignSha256(ByteView message) const;
  Status VerifySha256(ByteView message, ByteView signature) const;
  Result<Bytes> OaepEncrypt(OaepDigest digest, ByteView plaintext) const;
  Result<SecretBytes> OaepDecrypt(OaepDigest digest, ByteView ciphertext) const;

 private:
  RsaKey(std::shared_ptr<evp_pkey_st> key, bool has_private_part)
      : key_(std::move(key)), has_private_part_(has_private_part) {}

  std::shared_ptr<evp_pkey_st> key_;
  bool has_private_part_ = false;
};

// AES key wrap (RFC 3394), and with padding for any length (RFC 5649). `key`: 16, 24 or 32 bytes.
Result<Bytes> AesKeyWrap(const SecretBytes& key, ByteView plaintext, bool with_padding);
Result<SecretBytes> AesKeyUnwrap(const SecretBytes& key, ByteView wrapped, bool with_padding);

}  // namespace freehold
