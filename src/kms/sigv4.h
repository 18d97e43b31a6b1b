// AWS Signature Version 4, as a pure function: request, credentials and time in, signature out.
//
// Used by the AWS client to sign and by the embedded KMS to check. Knows no network and no clock.
// Threads: safe. Spec: AWS General Reference, "Signature Version 4 signing process"; judged by the
// published test suite (sigv4_test.cc) and by awscli and boto3 against the embedded KMS.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

struct AwsCredentials {
  std::string access_key_id;
  SecretBytes secret_access_key;
  SecretBytes session_token;  // empty for long-lived keys
};

struct SigV4Scope {
  std::string region;
  std::string service;  // "kms", "sts"
};

struct SigV4Request {
  std::string method;
  std::string target;  // path and query as on the wire
  // Lower-case names. Those to be signed, "host" among them.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// "20150830T123600Z"
std::string SigV4Date(WallTime time);

// The value of the Authorization header. `request.headers` must hold host and x-amz-date already.
std::string SigV4Authorization(const SigV4Request& request, const SigV4Scope& scope,
                               std::string_view access_key_id, const SecretBytes& secret,
                               WallTime time);

// An Authorization header taken apart; kInvalidArgument when it is not SigV4.
struct SigV4Presented {
  std::string access_key_id;
  std::string date;  // "20150830"
  SigV4Scope scope;
  std::vector<std::string> signed_headers;
  std::string signature;  // lower-case hex
};
Result<SigV4Presented> ParseSigV4Authorization(std::string_view header);

// The signature that `presented` should have had; compare in constant time. `amz_date` is the
// x-amz-date header's value.
std::string SigV4ExpectedSignature(const SigV4Request& request, const SigV4Presented& presented,
                                   std::string_view amz_date, const SecretBytes& secret);

}  // namespace freehold
