// What an answer of a KMIP server means, and what a connection's failure does.
//
// Judged by the result reason, and for a key that may not be used by its state: servers word that
// as they like. Whatever is not in a table is ambiguous. Pure. Threads: safe.
// Spec: KMIP 1.4, 9.1.3.2.29 (result reasons) and 9.1.3.2.18 (states); KMIP 2.0, 11.48, for the
// reasons that newer servers give; RFC 8446, 6.2, for what a server says of our certificate.
#pragma once

#include <optional>
#include <vector>

#include "kms/key_provider.h"
#include "kms/kmip/message.h"
#include "net/http_client.h"

namespace freehold::kmip {

std::string NameOfReason(std::uint32_t reason);  // "Permission Denied", "reason 0x99"
KmsMeaning MeaningOfReason(std::uint32_t reason);
// Whether a server says with it that it lacks a mode of encryption.
bool LacksTheMode(std::uint32_t reason);

// `operation`: only to Decrypt a cryptographic failure is a wrong ciphertext.
KmsFailure AnswerFailure(Operation operation, const Answer& answer);

std::string NameOfState(std::uint32_t state);  // "Deactivated"
// Nothing for a state that allows to encrypt and decrypt.
std::optional<KmsMeaning> MeaningOfState(std::uint32_t state);

// `server_is_proven`: the handshake was over. Before that a refusal of our certificate may be
// anybody's who stands in between, and proves no customer's "no".
KmsFailure ConnectionFailure(std::string_view operation, const HttpFailure& failure,
                             bool server_is_proven);

std::vector<AnswerRow> Answers();

}  // namespace freehold::kmip
