#include "kms/vault/classify.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>

#include "fmt/format.h"
#include "kms/service/word_table.h"

namespace freehold::vault {
namespace {

using Row = WordRow;

constexpr std::array kTransitWords = {
    Row{"encryption key not found", KmsMeaning::kKeyMissing},
    Row{"key is soft deleted", KmsMeaning::kKeyPendingDeletion},
    Row{"soft-deleted", KmsMeaning::kKeyPendingDeletion},
    Row{"disallowed by policy (too old)", KmsMeaning::kVersionRetired},
    Row{"message authentication failed", KmsMeaning::kWrongCiphertext},
    Row{"version is too new", KmsMeaning::kKeyChanging},
    Row{"invalid ciphertext", KmsMeaning::kWrongCiphertext},
    Row{"unable to decrypt", KmsMeaning::kWrongCiphertext},
    Row{"associated_data", KmsMeaning::kWrongUsage},
    Row{"does not support encryption", KmsMeaning::kWrongUsage},
    Row{"does not support decryption", KmsMeaning::kWrongUsage},
    Row{"context is required", KmsMeaning::kWrongUsage},
    Row{"no handler for route", KmsMeaning::kKeyMissing},
    Row{"unsupported path", KmsMeaning::kKeyMissing},
    Row{"permission denied", KmsMeaning::kPermissionMissing},
    Row{"Vault is sealed", KmsMeaning::kKmsSealed},
};

constexpr std::array kLoginWords = {
    Row{"invalid role or secret ID", KmsMeaning::kTrustWithdrawn},
    Row{"invalid role ID", KmsMeaning::kTrustWithdrawn},
    Row{"invalid role name", KmsMeaning::kTrustWithdrawn},
    Row{"role not found", KmsMeaning::kTrustWithdrawn},
    Row{"could not be found", KmsMeaning::kTrustWithdrawn},
    Row{"token is expired", KmsMeaning::kOurCredentials},
    Row{"Token is expired", KmsMeaning::kOurCredentials},
    Row{"not yet valid", KmsMeaning::kOurClock},
    Row{"issued in the future", KmsMeaning::kOurClock},
    // Vault could not ask the identity provider for its keys.
    Row{"fetching keys", KmsMeaning::kOutage},
    Row{"get keys failed", KmsMeaning::kOutage},
    Row{"i/o timeout", KmsMeaning::kOutage},
    Row{"connection refused", KmsMeaning::kOutage},
    Row{"context deadline exceeded", KmsMeaning::kOutage},
    Row{"CIDR", KmsMeaning::kNetworkRefused},
    Row{"invalid subject", KmsMeaning::kTrustWithdrawn},
    Row{"invalid audience", KmsMeaning::kTrustWithdrawn},
    Row{"invalid issuer", KmsMeaning::kTrustWithdrawn},
    Row{"error validating claims", KmsMeaning::kTrustWithdrawn},
    Row{"error validating", KmsMeaning::kNotUnderstood},
    Row{"permission denied", KmsMeaning::kTrustWithdrawn},
    Row{"no handler for route", KmsMeaning::kTrustWithdrawn},
    Row{"unsupported path", KmsMeaning::kTrustWithdrawn},
    Row{"Vault is sealed", KmsMeaning::kKmsSealed},
};

constexpr std::array kStatuses = {
    Row{"HTTP 403", KmsMeaning::kPermissionMissing},
    Row{"HTTP 404", KmsMeaning::kKeyMissing},
    Row{"HTTP 429", KmsMeaning::kThrottled},
    Row{"HTTP 472", KmsMeaning::kOutage},
    Row{"HTTP 473", KmsMeaning::kOutage},
    Row{"HTTP 500", KmsMeaning::kOutage},
    Row{"HTTP 502", KmsMeaning::kOutage},
    Row{"HTTP 503", KmsMeaning::kKmsSealed},
};

constexpr std::array kLoginStatuses = {
    Row{"HTTP 403", KmsMeaning::kTrustWithdrawn},
    Row{"HTTP 404", KmsMeaning::kTrustWithdrawn},
};

KmsMeaning MeaningOfStatus(int status) {
  if (const Row* row = FindWords(kStatuses, fmt::format("HTTP {}", status))) return row->meaning;
  return status >= 500 ? KmsMeaning::kOutage : KmsMeaning::kNotUnderstood;
}

// A proxy in front of Vault answers 403 and 404 too, in words of its own.
bool IsVaults(const JsonAnswer& answer) {
  const auto* errors = answer.body.if_contains("errors");
  return errors != nullptr && errors->is_array();
}

KmsFailure Failure(KmsMeaning meaning, std::string_view operation, const JsonAnswer& answer) {
  if (InfoOf(meaning).kms_class == KmsClass::kDenied && !IsVaults(answer)) {
    meaning = KmsMeaning::kNotUnderstood;
  }
  KmsFailure failure =
      FailureOf(meaning, operation, fmt::format("HTTP {}", answer.status), ErrorText(answer));
  failure.request_id = FirstLine(TextOf(answer.body, "request_id"));
  return failure;
}

}  // namespace

std::string ErrorText(const JsonAnswer& answer) {
  const auto* errors = answer.body.if_contains("errors");
  if (errors == nullptr || !errors->is_array() || errors->get_array().empty()) return "";
  const auto& first = errors->get_array()[0];
  if (!first.is_string()) return "";
  // "1 error occurred:\n\t* cipher: message authentication failed\n\n"
  std::string text(first.get_string());
  if (const auto star = text.find("\n\t* "); star != std::string::npos) text.erase(0, star + 4);
  return FirstLine(text);
}

KmsMeaning MeaningOfTransitError(int status, std::string_view text) {
  if (const Row* row = FindWords(kTransitWords, text)) return Credible(row->meaning, status);
  return MeaningOfStatus(status);
}

KmsMeaning MeaningOfLoginError(int status, std::string_view text) {
  if (const Row* row = FindWords(kLoginWords, text)) return Credible(row->meaning, status);
  if (const Row* row = FindWords(kLoginStatuses, fmt::format("HTTP {}", status)))
    return row->meaning;
  return MeaningOfStatus(status);
}

KmsFailure TransitFailure(std::string_view operation, const JsonAnswer& answer) {
  return Failure(MeaningOfTransitError(answer.status, ErrorText(answer)), operation, answer);
}

KmsFailure LoginFailure(const JsonAnswer& answer) {
  return Failure(MeaningOfLoginError(answer.status, ErrorText(answer)), "login", answer);
}

std::vector<AnswerRow> Answers() {
  std::vector<AnswerRow> rows;
  AddAnswers(rows, "Vault transit", kTransitWords);
  AddAnswers(rows, "Vault transit, other words", kStatuses);
  AddAnswers(rows, "Vault login", kLoginWords);
  AddAnswers(rows, "Vault login, other words", kLoginStatuses);
  return rows;
}

}  // namespace freehold::vault
