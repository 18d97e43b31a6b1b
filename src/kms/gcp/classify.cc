#include "kms/gcp/classify.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/service/word_table.h"

namespace freehold::gcp {
namespace {

namespace json = boost::json;

using Row = WordRow;

// The first row whose words are in the code decides.
constexpr std::array kKmsCodes = {
    Row{"SERVICE_DISABLED", KmsMeaning::kAccountSuspended},
    Row{"BILLING_DISABLED", KmsMeaning::kAccountSuspended},
    Row{"CONSUMER_INVALID", KmsMeaning::kAccountSuspended},
    Row{"CONSUMER_SUSPENDED", KmsMeaning::kAccountSuspended},
    Row{"SECURITY_POLICY_VIOLATED", KmsMeaning::kNetworkRefused},
    Row{"ACCESS_TOKEN_SCOPE_INSUFFICIENT", KmsMeaning::kOurConfiguration},
    Row{"400 FAILED_PRECONDITION", KmsMeaning::kNotUnderstood},
    Row{"400 INVALID_ARGUMENT", KmsMeaning::kWrongCiphertext},
    Row{"401 UNAUTHENTICATED", KmsMeaning::kOurCredentials},
    Row{"403 PERMISSION_DENIED", KmsMeaning::kPermissionMissing},
    Row{"404 NOT_FOUND", KmsMeaning::kKeyMissing},
    Row{"409 ABORTED", KmsMeaning::kKeyChanging},
    Row{"429 RESOURCE_EXHAUSTED", KmsMeaning::kThrottled},
    Row{"500 INTERNAL", KmsMeaning::kOutage},
    Row{"503 UNAVAILABLE", KmsMeaning::kOutage},
    Row{"504 DEADLINE_EXCEEDED", KmsMeaning::kTimedOut},
};

constexpr std::array kImpersonationCodes = {
    Row{"401 UNAUTHENTICATED", KmsMeaning::kOurCredentials},
    Row{"SERVICE_DISABLED", KmsMeaning::kAccountSuspended},
    Row{"BILLING_DISABLED", KmsMeaning::kAccountSuspended},
    Row{"CONSUMER_INVALID", KmsMeaning::kAccountSuspended},
    Row{"CONSUMER_SUSPENDED", KmsMeaning::kAccountSuspended},
    Row{"SECURITY_POLICY_VIOLATED", KmsMeaning::kNetworkRefused},
    Row{"ACCESS_TOKEN_SCOPE_INSUFFICIENT", KmsMeaning::kOurConfiguration},
    Row{"403 PERMISSION_DENIED", KmsMeaning::kTrustWithdrawn},
    Row{"404 NOT_FOUND", KmsMeaning::kTrustWithdrawn},
    Row{"400 FAILED_PRECONDITION", KmsMeaning::kTrustWithdrawn},
    Row{"429 RESOURCE_EXHAUSTED", KmsMeaning::kThrottled},
    Row{"500 INTERNAL", KmsMeaning::kOutage},
    Row{"503 UNAVAILABLE", KmsMeaning::kOutage},
};

constexpr std::array kTokenCodes = {
    Row{"invalid_grant", KmsMeaning::kOurCredentials},
    Row{"invalid_client", KmsMeaning::kOurCredentials},
    Row{"unauthorized_client", KmsMeaning::kOurCredentials},
    Row{"invalid_target", KmsMeaning::kOurConfiguration},
    Row{"invalid_scope", KmsMeaning::kOurConfiguration},
    Row{"invalid_request", KmsMeaning::kOurConfiguration},
};

// What these say is our clock's fault, whatever the code.
constexpr std::array kClockWords = {
    Row{"reasonable timeframe", KmsMeaning::kOurClock},
    Row{"iat and exp", KmsMeaning::kOurClock},
    Row{"issued in the future", KmsMeaning::kOurClock},
};

constexpr std::array kStatuses = {
    // A bare 403 is perhaps a proxy's: Google's own says its status in JSON.
    Row{"HTTP 401", KmsMeaning::kOurCredentials}, Row{"HTTP 429", KmsMeaning::kThrottled},
    Row{"HTTP 500", KmsMeaning::kOutage},         Row{"HTTP 502", KmsMeaning::kOutage},
    Row{"HTTP 503", KmsMeaning::kOutage},         Row{"HTTP 504", KmsMeaning::kTimedOut},
};

constexpr std::array kStates = {
    Row{"DISABLED", KmsMeaning::kKeyDisabled},
    Row{"DESTROY_SCHEDULED", KmsMeaning::kKeyPendingDeletion},
    Row{"DESTROYED", KmsMeaning::kVersionRetired},
    Row{"PENDING_EXTERNAL_DESTRUCTION", KmsMeaning::kKeyPendingDeletion},
    Row{"EXTERNAL_DESTRUCTION_FAILED", KmsMeaning::kVersionRetired},
    Row{"IMPORT_FAILED", KmsMeaning::kMaterialMissing},
    Row{"GENERATION_FAILED", KmsMeaning::kMaterialMissing},
    Row{"PENDING_GENERATION", KmsMeaning::kKeyChanging},
    Row{"PENDING_IMPORT", KmsMeaning::kKeyChanging},
    Row{"ENABLED", KmsMeaning::kKeyChanging},
};

KmsMeaning MeaningOfStatus(int status) {
  if (const Row* row = FindWords(kStatuses, fmt::format("HTTP {}", status))) return row->meaning;
  return status >= 500 ? KmsMeaning::kOutage : KmsMeaning::kNotUnderstood;
}

// ErrorInfo's reason among error.details, which says more than the status.
std::string ReasonIn(const json::object& error) {
  const auto* details = error.if_contains("details");
  if (details == nullptr || !details->is_array()) return "";
  for (const auto& detail : details->get_array()) {
    if (!detail.is_object()) continue;
    if (const std::string reason = TextOf(detail.get_object(), "reason"); !reason.empty()) {
      return FirstLine(reason);
    }
  }
  return "";
}

std::string MessageOf(const JsonAnswer& answer) {
  const std::string message = TextOf(ObjectOf(answer.body, "error"), "message");
  return FirstLine(message.empty() ? TextOf(answer.body, "error_description") : message);
}

KmsFailure Judge(std::string_view operation, const JsonAnswer& answer, std::span<const Row> rows) {
  const std::string code = CodeOf(answer);
  const std::string message = MessageOf(answer);
  const Row* row = FindWords(rows, code);
  KmsMeaning meaning =
      row != nullptr ? Credible(row->meaning, answer.status) : MeaningOfStatus(answer.status);
  if (meaning == KmsMeaning::kOurCredentials && FindWords(kClockWords, message) != nullptr) {
    meaning = KmsMeaning::kOurClock;
  }
  return FailureOf(meaning, operation, code, message);
}

}  // namespace

std::string CodeOf(const JsonAnswer& answer) {
  const json::object& error = ObjectOf(answer.body, "error");
  const std::string status = FirstLine(TextOf(error, "status"));
  if (!status.empty()) {
    const std::string reason = ReasonIn(error);
    return fmt::format("{} {}{}{}", answer.status, status, reason.empty() ? "" : " ", reason);
  }
  const std::string oauth = FirstLine(TextOf(answer.body, "error"));
  return oauth.empty() ? fmt::format("HTTP {}", answer.status) : oauth;
}

KmsFailure KmsServiceFailure(std::string_view operation, const JsonAnswer& answer) {
  return Judge(operation, answer, kKmsCodes);
}

KmsFailure ImpersonationFailure(const JsonAnswer& answer) {
  return Judge("generateAccessToken", answer, kImpersonationCodes);
}

KmsFailure TokenFailure(std::string_view operation, const JsonAnswer& answer) {
  KmsFailure failure = Judge(operation, answer, kTokenCodes);
  // Whatever else a token endpoint refuses, it refuses us and not the customer's key.
  if (failure.kms_class == KmsClass::kDenied || failure.kms_class == KmsClass::kAmbiguous) {
    failure = FailureOf(KmsMeaning::kOurCredentials, operation, failure.code, failure.message);
  }
  return failure;
}

bool IsFailedPrecondition(const KmsFailure& failure) {
  return failure.code.starts_with("400 FAILED_PRECONDITION");
}

std::string StateIn(std::string_view message) {
  constexpr std::string_view kBefore = "current state is: ";
  const auto at = message.find(kBefore);
  if (at == std::string_view::npos) return "";
  message.remove_prefix(at + kBefore.size());
  const auto end = message.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
  return std::string(message.substr(0, end));
}

std::string VersionIn(std::string_view message) {
  constexpr std::string_view kBefore = "/cryptoKeyVersions/";
  const auto at = message.find(kBefore);
  if (at == std::string_view::npos) return "";
  message.remove_prefix(at + kBefore.size());
  return std::string(message.substr(0, message.find_first_not_of("0123456789")));
}

KmsMeaning MeaningOfState(std::string_view state) {
  const Row* row = FindCode(kStates, state);
  return row == nullptr ? KmsMeaning::kNotUnderstood : row->meaning;
}

std::vector<AnswerRow> Answers() {
  std::vector<AnswerRow> rows;
  AddAnswers(rows, "Cloud KMS", kKmsCodes);
  AddAnswers(rows, "Cloud KMS, state of a version", kStates);
  AddAnswers(rows, "IAM credentials", kImpersonationCodes);
  AddAnswers(rows, "Google tokens", kTokenCodes);
  AddAnswers(rows, "Google tokens, words", kClockWords);
  AddAnswers(rows, "Google, other answers", kStatuses);
  return rows;
}

}  // namespace freehold::gcp
