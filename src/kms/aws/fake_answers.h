// For tests only: the answers that AWS would give.
#pragma once

#include <string>

#include "kms/aws/aws_service.h"
#include "kms/service/fake_surroundings.h"

namespace freehold::aws {

inline AwsCredentials TestCredentials() {
  return {"AKIDTEST", SecretBytes::CopyOf(AsBytes("test/secret")), {}};
}

inline HttpResponse SessionAnswer(const std::string& action, const std::string& access_key_id) {
  return {200,
          {},
          "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
              "Result><Credentials><AccessKeyId>" + access_key_id +
              "</AccessKeyId><SecretAccessKey>session/secret</SecretAccessKey>"
              "<SessionToken>session-token</SessionToken></Credentials><AssumedRoleUser>"
              "<Arn>arn:aws:sts::111122223333:assumed-role/r/freehold</Arn></AssumedRoleUser></" +
              action + "Result></" + action + "Response>"};
}

inline HttpResponse StsError(int status, const std::string& code) {
  return {status,
          {},
          "<ErrorResponse><Error><Type>Sender</Type><Code>" + code +
              "</Code><Message>the words</Message></Error></ErrorResponse>"};
}

inline HttpResponse KmsError(const std::string& code, int status = 400) {
  return {status, {}, "{\"__type\":\"" + code + "\",\"message\":\"the words\"}"};
}

}  // namespace freehold::aws
