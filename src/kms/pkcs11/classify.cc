#include "kms/pkcs11/classify.h"

#include <p11-kit/pkcs11.h>

#include <array>

#include "fmt/format.h"

namespace freehold::pkcs11 {
namespace {

struct Row {
  unsigned long result;
  std::string_view name;
  KmsMeaning meaning;
};

constexpr unsigned long kAeadDecryptFailed = 0x42;  // of version 3.0

#define ROW(name, meaning) \
  Row { name, #name, KmsMeaning::meaning }
constexpr std::array kRows = {
    ROW(CKR_KEY_HANDLE_INVALID, kKeyMissing),
    ROW(CKR_OBJECT_HANDLE_INVALID, kKeyMissing),
    ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, kKeyDisabled),
    ROW(CKR_PIN_INCORRECT, kTrustWithdrawn),
    ROW(CKR_PIN_LOCKED, kTrustWithdrawn),
    ROW(CKR_PIN_EXPIRED, kTrustWithdrawn),
    ROW(CKR_PIN_INVALID, kTrustWithdrawn),
    ROW(CKR_PIN_LEN_RANGE, kTrustWithdrawn),
    ROW(CKR_USER_PIN_NOT_INITIALIZED, kTrustWithdrawn),
    ROW(CKR_DEVICE_ERROR, kOutage),
    ROW(CKR_DEVICE_MEMORY, kOutage),
    ROW(CKR_DEVICE_REMOVED, kNotConnected),
    ROW(CKR_TOKEN_NOT_PRESENT, kNotConnected),
    ROW(CKR_TOKEN_NOT_RECOGNIZED, kNotConnected),
    ROW(CKR_SLOT_ID_INVALID, kNotConnected),
    ROW(CKR_GENERAL_ERROR, kOutage),
    ROW(CKR_FUNCTION_FAILED, kOutage),
    ROW(CKR_HOST_MEMORY, kOutage),
    ROW(CKR_SESSION_COUNT, kThrottled),
    ROW(CKR_SESSION_CLOSED, kNotConnected),
    ROW(CKR_SESSION_HANDLE_INVALID, kNotConnected),
    ROW(CKR_USER_NOT_LOGGED_IN, kNotConnected),
    ROW(CKR_ENCRYPTED_DATA_INVALID, kWrongCiphertext),
    ROW(CKR_ENCRYPTED_DATA_LEN_RANGE, kWrongCiphertext),
    ROW(CKR_WRAPPED_KEY_INVALID, kWrongCiphertext),
    Row{kAeadDecryptFailed, "CKR_AEAD_DECRYPT_FAILED", KmsMeaning::kWrongCiphertext},
    ROW(CKR_MECHANISM_INVALID, kWrongUsage),
    ROW(CKR_MECHANISM_PARAM_INVALID, kWrongUsage),
    ROW(CKR_KEY_TYPE_INCONSISTENT, kWrongUsage),
    ROW(CKR_KEY_SIZE_RANGE, kWrongUsage),
    ROW(CKR_ARGUMENTS_BAD, kBadRequest),
    ROW(CKR_CRYPTOKI_NOT_INITIALIZED, kOurConfiguration),
    ROW(CKR_FUNCTION_NOT_SUPPORTED, kWrongUsage),
};
#undef ROW

const Row* Find(unsigned long result) {
  for (const Row& row : kRows) {
    if (row.result == result) return &row;
  }
  return nullptr;
}

}  // namespace

std::string NameOf(unsigned long result) {
  const Row* row = Find(result);
  return row == nullptr ? fmt::format("{:#x}", result) : std::string(row->name);
}

KmsMeaning MeaningOf(unsigned long result) {
  const Row* row = Find(result);
  return row == nullptr ? KmsMeaning::kNotUnderstood : row->meaning;
}

KmsFailure FailureOf(std::string_view operation, unsigned long result) {
  return freehold::FailureOf(MeaningOf(result), operation, NameOf(result), "");
}

std::vector<AnswerRow> Answers() {
  std::vector<AnswerRow> rows;
  for (const Row& row : kRows) rows.push_back({"PKCS#11", row.name, row.meaning});
  return rows;
}

}  // namespace freehold::pkcs11
