// `freehold internal kms-helper`: one KMS operation for the process that started it.
//
// Reads one request frame from standard input, answers on the same socket, and ends. Nothing that
// it parsed outlives it. Not for people. Spec: kms/helper_protocol.h.
#pragma once

#include "kms/helper_protocol.h"
#include "kms/key_provider.h"

namespace freehold::cli {

int RunKmsHelper();

// What the helper says to a request: the provider's answer or its failure.
HelperAnswer AnswerOf(const HelperRequest& request, KeyProviderFactory& factory);

}  // namespace freehold::cli
