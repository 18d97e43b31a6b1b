// What an answer of Vault or OpenBao means.
//
// Judged by the words first, because the same failure comes as 400 or 500 from different releases,
// and by the status for the rest. A denial counts only in Vault's own JSON, and only below 500.
// Pure. Threads: safe.
// Spec: Vault API documentation (HTTP status codes; transit; auth methods); OpenBao's is the same.
#pragma once

#include <vector>

#include "kms/service/json_service.h"

namespace freehold::vault {

// The first of the answer's errors, its first line; what a wrapper such as "1 error occurred:"
// hides is looked for. "" when there is none.
std::string ErrorText(const JsonAnswer& answer);

KmsMeaning MeaningOfTransitError(int status, std::string_view text);
// Of a login: whoever owns the role decides about it, so an unknown role is a withdrawn trust.
KmsMeaning MeaningOfLoginError(int status, std::string_view text);

KmsFailure TransitFailure(std::string_view operation, const JsonAnswer& answer);
KmsFailure LoginFailure(const JsonAnswer& answer);

std::vector<AnswerRow> Answers();

}  // namespace freehold::vault
