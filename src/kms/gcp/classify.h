// What an answer of Google's means: of Cloud KMS, of the IAM credentials service, of a token
// endpoint.
//
// FAILED_PRECONDITION is no verdict by itself: MeaningOfState() judges the state that a look at the
// version, or the message, names. Pure. Threads: safe.
// Spec: Cloud KMS REST v1; google.rpc.Status; RFC 6749, section 5.2, for token endpoints.
#pragma once

#include <vector>

#include "kms/service/json_service.h"

namespace freehold::gcp {

// "400 FAILED_PRECONDITION", "403 PERMISSION_DENIED SERVICE_DISABLED", "HTTP 502".
std::string CodeOf(const JsonAnswer& answer);

KmsFailure KmsServiceFailure(std::string_view operation, const JsonAnswer& answer);
// Of generateAccessToken: whoever owns the account decides, so 403 and 404 are a withdrawn trust.
KmsFailure ImpersonationFailure(const JsonAnswer& answer);
// Of a token endpoint ({"error":"invalid_grant",...}) or a metadata server.
KmsFailure TokenFailure(std::string_view operation, const JsonAnswer& answer);

bool IsFailedPrecondition(const KmsFailure& failure);
// The state that a message ends in: "... is not enabled, current state is: DISABLED." ->
// "DISABLED".
std::string StateIn(std::string_view message);
// The version that a message is about: ".../cryptoKeyVersions/3 is not enabled" -> "3"; or "".
std::string VersionIn(std::string_view message);
// What a version's state means for somebody who could not use it.
KmsMeaning MeaningOfState(std::string_view state);

std::vector<AnswerRow> Answers();

}  // namespace freehold::gcp
