// What an AWS answer proves: one table from the service's error code to the class.
//
// Judged by the code, not by the HTTP status: the same failure comes as 400, 404 or 409 from
// different generations of the service. Pure; knows no network. Threads: safe.
// Spec: docs/providers/, AWS KMS API reference (error sections), AWS STS API reference.
#pragma once

#include <string>
#include <string_view>

#include "kms/key_provider.h"
#include "kms/service/json_service.h"

namespace freehold::aws {

// An error as the service worded it.
struct ServiceError {
  int http_status = 0;
  std::string code;  // bare: "DisabledException"; "" if the answer named none
  std::string message;
  std::string request_id;
};

// "com.amazonaws.kms#DisabledException:http://..." -> "DisabledException".
std::string BareErrorCode(std::string_view type);

// From an answer in JSON 1.1; anything that is not an error in JSON still gives its status.
ServiceError ReadJsonError(const HttpResponse& response);
// From an answer in the Query protocol's XML.
ServiceError ReadXmlError(const HttpResponse& response);

KmsMeaning MeaningOfKmsError(const ServiceError& error);
// KMSInvalidStateException says no more than "not now": what DescribeKey says decides.
KmsMeaning MeaningOfKeyState(std::string_view key_state);
KmsMeaning MeaningOfStsError(const ServiceError& error);

// Only the first line of the service's words: later ones may quote our request.
KmsFailure FailureOf(std::string_view operation, const ServiceError& error, KmsMeaning meaning);

// All that is known of this service's words, for docs/providers/answers.md.
std::vector<AnswerRow> Answers();

}  // namespace freehold::aws
