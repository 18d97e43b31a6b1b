// What a return value of a PKCS#11 module means.
//
// Pure. Threads: safe. Spec: PKCS #11 Cryptographic Token Interface Base Specification 2.40, 5.1.
#pragma once

#include <vector>

#include "kms/key_provider.h"

namespace freehold::pkcs11 {

std::string NameOf(unsigned long result);  // "CKR_PIN_LOCKED", "0x80000001"
KmsMeaning MeaningOf(unsigned long result);
KmsFailure FailureOf(std::string_view operation, unsigned long result);

std::vector<AnswerRow> Answers();

}  // namespace freehold::pkcs11
