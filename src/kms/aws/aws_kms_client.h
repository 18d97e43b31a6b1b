// AwsKmsClient: five operations of AWS KMS on one key, as functions.
//
// Speaks JSON 1.1 and judges the answers; holds credentials, looks for none. The key is always
// named in the request and compared in the answer. Transient failures are tried again as
// KmsTimeouts says, denials never. Whatever the service sends, nothing is thrown outwards.
// Answers with plaintext pass through buffers that are not wiped: for short-lived processes.
// Errors: KmsFailure (classify.h). Threads: one caller at a time. Spec: AWS KMS API reference.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>

#include "kms/aws/aws_service.h"
#include "kms/key_provider.h"

namespace freehold::aws {

struct KeyMetadata {
  std::string key_state;             // "Enabled", "PendingDeletion", ...
  std::string key_usage;             // "ENCRYPT_DECRYPT"
  std::string key_spec;              // "SYMMETRIC_DEFAULT"
  std::string current_key_material;  // an id; "" where the service does not say
  std::string deletion_date;         // RFC 3339; "" = none is scheduled
};

struct Decrypted {
  SecretBytes plaintext;
  std::string key_material;  // an id; "" where the service does not say
};

struct DataKey {
  SecretBytes plaintext;
  WrappedKey wrapped;
};

class AwsKmsClient {
 public:
  AwsKmsClient(ServiceEndpoint endpoint, AwsCredentials credentials, std::string key_arn,
               Surroundings surroundings);

  KmsResult<WrappedKey> Encrypt(const SecretBytes& plaintext, const EncryptionContext& context);
  KmsResult<Decrypted> Decrypt(const WrappedKey& wrapped, const EncryptionContext& context);
  KmsResult<DataKey> GenerateDataKey(const EncryptionContext& context);  // 32 bytes
  KmsResult<KeyMetadata> DescribeKey();
  KmsResult<bool> GetKeyRotationStatus();

 private:
  // The answer's JSON object. `names_key`: the answer must name our key at its top level.
  KmsResult<boost::json::object> Call(const std::string& operation, boost::json::object request,
                                      bool names_key);
  KmsResult<boost::json::object> CallOnce(const std::string& operation, const std::string& body);
  // KMSInvalidStateException tells too little: asks DescribeKey what the state is.
  KmsFailure Refined(KmsFailure failure);

  ServiceEndpoint endpoint_;
  AwsCredentials credentials_;
  std::string key_arn_;
  Surroundings surroundings_;
};

}  // namespace freehold::aws
