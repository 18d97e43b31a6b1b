// SigningKey and VerifyingKey: signatures that others check with the public half alone.
//
// Ed25519. A key is known by its id: SHA-256, in hex, of its SubjectPublicKeyInfo. Errors:
// kInvalidArgument for a PEM that holds no such key; kKeyData for a signature that does not fit.
// Threads: safe. Spec: RFC 8032, RFC 8410 (its PEM).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"

struct evp_pkey_st;

namespace freehold {

class SigningKey {
 public:
  static Result<SigningKey> Generate();
  static Result<SigningKey> FromPem(const SecretBytes& pem);

  SecretBytes PrivatePem() const;  // PKCS#8, unencrypted
  std::string PublicPem() const;   // SubjectPublicKeyInfo
  const std::string& id() const { return id_; }
  Result<Bytes> Sign(ByteView message) const;  // 64 bytes

 private:
  static Result<SigningKey> Own(std::shared_ptr<evp_pkey_st> key);

  std::shared_ptr<evp_pkey_st> key_;
  std::string id_;
};

class VerifyingKey {
 public:
  // All that a text holds, one after the other; there is at least one.
  static Result<std::vector<VerifyingKey>> AllInPem(std::string_view pem);

  const std::string& id() const { return id_; }
  Status Verify(ByteView message, ByteView signature) const;

 private:
  std::shared_ptr<evp_pkey_st> key_;
  std::string id_;
};

}  // namespace freehold
