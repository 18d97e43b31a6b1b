// GcpKmsClient: requests about one key of Cloud KMS, with one token, and their checksums.
//
// Encrypt() and Decrypt() check what the service says it got and what came back; what does not fit
// is kDamagedAnswer, after a few tries. Errors: KmsFailure. Threads: one caller at a time.
// Spec: Cloud KMS REST v1, "Data integrity guidelines".
#pragma once

#include <boost/json/object.hpp>

#include "kms/gcp/credentials.h"

namespace freehold::gcp {

class GcpKmsClient {
 public:
  // Asks for a token first: ours, or the principal's.
  static KmsResult<GcpKmsClient> For(const KeyAccess& access, const Surroundings& surroundings);

  const std::string& account() const { return token_.account; }

  // The answer is about our key, its checksums fit.
  KmsResult<WrappedKey> Encrypt(const SecretBytes& plaintext, const std::string& context) const;
  KmsResult<SecretBytes> Decrypt(ByteView ciphertext, const std::string& context) const;
  // The key, or with a number its version.
  KmsResult<boost::json::object> Get(const std::string& version) const;
  // Those of `permissions` that we have on the key. Needs none itself.
  KmsResult<std::vector<std::string>> TestPermissions(
      const std::vector<std::string>& permissions) const;

 private:
  GcpKmsClient(std::string endpoint, std::string key, AccessToken token, Surroundings surroundings)
      : endpoint_(std::move(endpoint)),
        key_(std::move(key)),
        token_(std::move(token)),
        surroundings_(std::move(surroundings)) {}

  // `body` null: GET. `what` follows the key's name: ":encrypt", "/cryptoKeyVersions/3".
  KmsResult<boost::json::object> Ask(std::string_view operation, const std::string& what,
                                     const boost::json::object* body) const;
  KmsResult<WrappedKey> CheckedWrapping(const boost::json::object& answer) const;

  std::string endpoint_;
  std::string key_;  // "projects/.../cryptoKeys/K"
  AccessToken token_;
  Surroundings surroundings_;
};

}  // namespace freehold::gcp
