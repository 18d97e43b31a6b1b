// StsClient: asks AWS's Security Token Service for sessions, in the region of the key.
//
// Sessions last 900 s, the shortest there is: a session outlives the trust it was made under, so
// nothing may be concluded from having one. An AccessDenied to AssumeRole is the customer's "no".
// Errors: KmsFailure (classify.h). Threads: one caller at a time.
// Spec: AWS STS API reference, version 2011-06-15 (Query protocol).
#pragma once

#include <map>
#include <string>

#include "kms/aws/aws_service.h"
#include "kms/key_provider.h"

namespace freehold::aws {

struct StsSession {
  AwsCredentials credentials;
  std::string arn;  // of the assumed role, as it appears in the customer's log
};

class StsClient {
 public:
  StsClient(ServiceEndpoint endpoint, Surroundings surroundings);

  // `external_id` "" = none is sent.
  KmsResult<StsSession> AssumeRole(const AwsCredentials& caller, const std::string& role_arn,
                                   const std::string& external_id);
  // Not signed: the token is the proof.
  KmsResult<StsSession> AssumeRoleWithWebIdentity(const std::string& role_arn,
                                                  const std::string& session_name,
                                                  const SecretBytes& token);
  // Our ARN. Needs no permission.
  KmsResult<std::string> GetCallerIdentity(const AwsCredentials& caller);

 private:
  using Form = std::map<std::string, std::string>;

  KmsResult<std::string> Call(const std::string& action, Form form, const AwsCredentials* caller);
  KmsResult<StsSession> CallForSession(const std::string& action, Form form,
                                       const AwsCredentials* caller);

  ServiceEndpoint endpoint_;
  Surroundings surroundings_;
};

}  // namespace freehold::aws
