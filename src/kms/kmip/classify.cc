#include "kms/kmip/classify.h"

#include <array>

#include "fmt/format.h"
#include "kms/service/json_service.h"
#include "kms/service/word_table.h"

namespace freehold::kmip {
namespace {

struct Row {
  std::uint32_t number;
  std::string_view name;
  KmsMeaning meaning;
};

constexpr std::uint32_t kCryptographicFailure = 0x0A;

constexpr std::array kReasons = {
    Row{0x01, "Item Not Found", KmsMeaning::kKeyMissing},
    Row{0x02, "Response Too Large", KmsMeaning::kNotUnderstood},
    // Whoever runs the server decides whom it knows; that our certificate has ended we see first.
    Row{0x03, "Authentication Not Successful", KmsMeaning::kTrustWithdrawn},
    Row{0x04, "Invalid Message", KmsMeaning::kBadRequest},
    Row{0x05, "Operation Not Supported", KmsMeaning::kWrongUsage},
    Row{0x06, "Missing Data", KmsMeaning::kBadRequest},
    Row{0x07, "Invalid Field", KmsMeaning::kBadRequest},
    Row{0x08, "Feature Not Supported", KmsMeaning::kWrongUsage},
    Row{0x09, "Operation Canceled By Requester", KmsMeaning::kOutage},
    Row{kCryptographicFailure, "Cryptographic Failure", KmsMeaning::kNotUnderstood},
    Row{0x0B, "Illegal Operation", KmsMeaning::kWrongUsage},
    Row{0x0C, "Permission Denied", KmsMeaning::kPermissionMissing},
    Row{0x0D, "Object Archived", KmsMeaning::kKeyDisabled},
    Row{0x13, "Key Value Not Present", KmsMeaning::kMaterialMissing},
    Row{0x14, "Attestation Required", KmsMeaning::kOurConfiguration},
    Row{0x15, "Attestation Failed", KmsMeaning::kOurConfiguration},
    Row{0x1A, "Usage Limit Exceeded", KmsMeaning::kKeyNotValidNow},
    Row{0x24, "Bad Cryptographic Parameters", KmsMeaning::kWrongUsage},
    Row{0x28, "Illegal Object Type", KmsMeaning::kWrongUsage},
    Row{0x29, "Incompatible Cryptographic Usage Mask", KmsMeaning::kPermissionMissing},
    Row{0x2A, "Internal Server Error", KmsMeaning::kOutage},
    Row{0x30, "Invalid Object Type", KmsMeaning::kWrongUsage},
    Row{0x36, "Object Destroyed", KmsMeaning::kKeyMissing},
    Row{0x37, "Object Not Found", KmsMeaning::kKeyMissing},
    Row{0x39, "Not Authorised", KmsMeaning::kPermissionMissing},
    Row{0x3A, "Server Limit Exceeded", KmsMeaning::kThrottled},
    Row{0x3E, "Unsupported Cryptographic Parameters", KmsMeaning::kWrongUsage},
    Row{0x3F, "Unsupported Protocol Version", KmsMeaning::kBadRequest},
    Row{0x43, "Wrong Key Lifecycle State", KmsMeaning::kKeyDisabled},
    Row{0x44, "Protection Storage Unavailable", KmsMeaning::kKeyStoreFailed},
    Row{0x100, "General Failure", KmsMeaning::kOutage},
};

constexpr std::uint32_t kActive = 2;
constexpr std::array kStates = {
    Row{1, "Pre-Active", KmsMeaning::kKeyNotValidNow},
    Row{3, "Deactivated", KmsMeaning::kKeyDisabled},
    Row{4, "Compromised", KmsMeaning::kKeyDisabled},
    Row{5, "Destroyed", KmsMeaning::kKeyMissing},
    Row{6, "Destroyed Compromised", KmsMeaning::kKeyMissing},
};

// As OpenSSL words the alerts that a server sends about a client's certificate.
constexpr std::array kAlerts = {
    WordRow{"alert certificate revoked", KmsMeaning::kTrustWithdrawn},
    WordRow{"alert access denied", KmsMeaning::kTrustWithdrawn},
    WordRow{"alert unknown ca", KmsMeaning::kTrustWithdrawn},
    WordRow{"alert certificate unknown", KmsMeaning::kTrustWithdrawn},
    WordRow{"alert certificate expired", KmsMeaning::kOurCredentials},
    WordRow{"alert bad certificate", KmsMeaning::kOurCredentials},
    WordRow{"alert unsupported certificate", KmsMeaning::kOurCredentials},
    WordRow{"alert certificate required", KmsMeaning::kOurCredentials},
    WordRow{"alert decrypt error", KmsMeaning::kOurCredentials},
};

template <std::size_t N>
const Row* Find(const std::array<Row, N>& rows, std::uint32_t number) {
  for (const Row& row : rows) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

}  // namespace

std::string NameOfReason(std::uint32_t reason) {
  const Row* row = Find(kReasons, reason);
  return row == nullptr ? fmt::format("reason {:#x}", reason) : std::string(row->name);
}

KmsMeaning MeaningOfReason(std::uint32_t reason) {
  const Row* row = Find(kReasons, reason);
  return row == nullptr ? KmsMeaning::kNotUnderstood : row->meaning;
}

bool LacksTheMode(std::uint32_t reason) {
  constexpr std::array kLacking = {0x05u, 0x07u, 0x08u, 0x24u, 0x3Eu};
  for (const std::uint32_t each : kLacking) {
    if (each == reason) return true;
  }
  return false;
}

KmsFailure AnswerFailure(Operation operation, const Answer& answer) {
  KmsMeaning meaning = MeaningOfReason(answer.reason);
  if (operation == Operation::kDecrypt && answer.reason == kCryptographicFailure) {
    meaning = KmsMeaning::kWrongCiphertext;
  }
  return FailureOf(meaning, NameOf(operation), NameOfReason(answer.reason), answer.message);
}

std::string NameOfState(std::uint32_t state) {
  if (state == kActive) return "Active";
  const Row* row = Find(kStates, state);
  return row == nullptr ? fmt::format("state {}", state) : std::string(row->name);
}

std::optional<KmsMeaning> MeaningOfState(std::uint32_t state) {
  if (state == kActive) return std::nullopt;
  const Row* row = Find(kStates, state);
  return row == nullptr ? KmsMeaning::kNotUnderstood : row->meaning;
}

KmsFailure ConnectionFailure(std::string_view operation, const HttpFailure& failure,
                             bool server_is_proven) {
  KmsFailure result = freehold::FailureOf(operation, failure);
  const WordRow* row = FindWords(kAlerts, failure.message);
  if (row == nullptr) return result;
  const bool denied = InfoOf(row->meaning).kms_class == KmsClass::kDenied;
  const KmsMeaning meaning = denied && !server_is_proven ? KmsMeaning::kTlsFailed : row->meaning;
  return OwnFailure(meaning, operation, failure.message);
}

std::vector<AnswerRow> Answers() {
  std::vector<AnswerRow> rows;
  for (const Row& row : kReasons) rows.push_back({"KMIP", row.name, row.meaning});
  rows.push_back({"KMIP Decrypt", "Cryptographic Failure", KmsMeaning::kWrongCiphertext});
  for (const Row& row : kStates) rows.push_back({"KMIP, the key's state", row.name, row.meaning});
  AddAnswers(rows, "TLS, once the KMIP server is proven", kAlerts);
  return rows;
}

}  // namespace freehold::kmip
