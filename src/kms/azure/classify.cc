#include "kms/azure/classify.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/service/word_table.h"

namespace freehold::azure {
namespace {

namespace json = boost::json;

using Row = WordRow;

// error.innererror.code, else error.code.
constexpr std::array kVaultCodes = {
    Row{"KeyDisabled", KmsMeaning::kKeyDisabled},
    Row{"KeyExpired", KmsMeaning::kKeyNotValidNow},
    Row{"KeyNotYetValid", KmsMeaning::kKeyNotValidNow},
    Row{"ForbiddenByRbac", KmsMeaning::kPermissionMissing},
    Row{"ForbiddenByPolicy", KmsMeaning::kPermissionMissing},
    Row{"AccessDenied", KmsMeaning::kPermissionMissing},
    Row{"ForbiddenByFirewall", KmsMeaning::kNetworkRefused},
    Row{"ForbiddenByConnection", KmsMeaning::kNetworkRefused},
    Row{"KeyOperationForbidden", KmsMeaning::kPermissionMissing},
    Row{"ObjectIsDeletedButRecoverable", KmsMeaning::kKeyPendingDeletion},
    Row{"ObjectIsBeingDeleted", KmsMeaning::kKeyChanging},
    Row{"ObjectIsBeingRecovered", KmsMeaning::kKeyChanging},
    Row{"KeyNotFound", KmsMeaning::kKeyMissing},
    Row{"VaultNotFound", KmsMeaning::kHostMissing},
    Row{"Throttled", KmsMeaning::kThrottled},
    Row{"Unauthorized", KmsMeaning::kOurCredentials},
    Row{"Forbidden", KmsMeaning::kPermissionMissing},
    Row{"Conflict", KmsMeaning::kKeyChanging},
};

// What a 403 says only in words where it has no inner code.
constexpr std::array kForbiddenWords = {
    Row{"Client address is not authorized", KmsMeaning::kNetworkRefused},
    Row{"disabled key", KmsMeaning::kKeyDisabled},
};

constexpr std::array kVaultStatuses = {
    Row{"HTTP 401", KmsMeaning::kOurCredentials},
    Row{"HTTP 408", KmsMeaning::kTimedOut},
    Row{"HTTP 429", KmsMeaning::kThrottled},
};

constexpr Row kBadParameterOfUnwrap{"BadParameter", KmsMeaning::kWrongCiphertext};
constexpr Row kBadParameter{"BadParameter", KmsMeaning::kBadRequest};

// error_codes of the token endpoint, then its `error`.
constexpr std::array kEntraCodes = {
    Row{"AADSTS700016", KmsMeaning::kTrustWithdrawn},   // no such application in the tenant
    Row{"AADSTS7000112", KmsMeaning::kTrustWithdrawn},  // it is disabled there
    Row{"AADSTS7000229", KmsMeaning::kTrustWithdrawn},  // its service principal is gone
    Row{"AADSTS65001", KmsMeaning::kTrustWithdrawn},    // no consent
    Row{"AADSTS90002", KmsMeaning::kTrustWithdrawn},    // no such tenant
    Row{"AADSTS53003", KmsMeaning::kTrustWithdrawn},    // blocked by conditional access
    Row{"AADSTS7000215", KmsMeaning::kOurCredentials},  // wrong secret
    Row{"AADSTS7000222", KmsMeaning::kOurCredentials},  // expired secret
    Row{"AADSTS700027", KmsMeaning::kOurCredentials},   // certificate not registered, or expired
    Row{"AADSTS70021", KmsMeaning::kOurCredentials},    // federated: no record of the subject
    Row{"AADSTS700213", KmsMeaning::kOurCredentials},
    Row{"AADSTS700024", KmsMeaning::kOurClock},  // the assertion's time
    Row{"AADSTS50196", KmsMeaning::kThrottled},
    Row{"AADSTS90033", KmsMeaning::kOutage},
    Row{"invalid_client", KmsMeaning::kOurCredentials},
    Row{"invalid_grant", KmsMeaning::kOurCredentials},
    Row{"unauthorized_client", KmsMeaning::kTrustWithdrawn},
    Row{"invalid_scope", KmsMeaning::kOurConfiguration},
    Row{"invalid_request", KmsMeaning::kOurConfiguration},
    Row{"temporarily_unavailable", KmsMeaning::kOutage},
    Row{"server_error", KmsMeaning::kOutage},
};

constexpr std::array kEntraStatuses = {
    Row{"HTTP 401", KmsMeaning::kOurCredentials},
    Row{"HTTP 429", KmsMeaning::kThrottled},
};

constexpr std::array kManagedIdentityStatuses = {
    Row{"HTTP 400", KmsMeaning::kOurCredentials}, Row{"HTTP 401", KmsMeaning::kOurCredentials},
    Row{"HTTP 403", KmsMeaning::kOurCredentials}, Row{"HTTP 404", KmsMeaning::kOurCredentials},
    Row{"HTTP 410", KmsMeaning::kOutage},         Row{"HTTP 429", KmsMeaning::kThrottled},
};

KmsMeaning MeaningOfStatus(std::span<const Row> rows, int status) {
  if (const Row* row = FindCode(rows, fmt::format("HTTP {}", status))) return row->meaning;
  return status >= 500 ? KmsMeaning::kOutage : KmsMeaning::kNotUnderstood;
}

// Newer and older vaults spell it differently.
const json::object& InnerOf(const json::object& error) {
  const json::object& inner = ObjectOf(error, "innererror");
  return inner.empty() ? ObjectOf(error, "innerError") : inner;
}

KmsMeaning MeaningOfVaultError(std::string_view operation, int status, const std::string& inner,
                               const std::string& outer, const std::string& message) {
  if (const Row* row = FindCode(kVaultCodes, inner)) return row->meaning;
  if (outer == "BadParameter" && status == 400) {
    return (operation == "unwrapKey" ? kBadParameterOfUnwrap : kBadParameter).meaning;
  }
  if (outer == "Forbidden" && inner.empty()) {
    if (const Row* row = FindWords(kForbiddenWords, message)) return row->meaning;
  }
  if (const Row* row = FindCode(kVaultCodes, outer)) return row->meaning;
  return MeaningOfStatus(kVaultStatuses, status);
}

}  // namespace

KmsFailure VaultFailure(std::string_view operation, const JsonAnswer& answer) {
  const json::object& error = ObjectOf(answer.body, "error");
  const std::string outer = TextOf(error, "code");
  const std::string inner = TextOf(InnerOf(error), "code");
  const std::string message = FirstLine(TextOf(error, "message"));
  std::string code = inner.empty() ? outer : inner;
  if (code.empty()) code = fmt::format("HTTP {}", answer.status);
  KmsFailure failure = FailureOf(
      Credible(MeaningOfVaultError(operation, answer.status, inner, outer, message), answer.status),
      operation, FirstLine(code), message);
  failure.request_id = FirstLine(FindHeader(answer.headers, "x-ms-request-id").value_or(""));
  return failure;
}

KmsFailure VaultSilence(KmsFailure failure) {
  if (failure.meaning != KmsMeaning::kNameNotResolved) return failure;
  failure.meaning = KmsMeaning::kHostMissing;
  failure.kms_class = InfoOf(failure.meaning).kms_class;
  return failure;
}

KmsFailure EntraFailure(const JsonAnswer& answer) {
  std::string code = TextOf(answer.body, "error");
  const Row* row = nullptr;
  const auto* numbers = answer.body.if_contains("error_codes");
  if (numbers != nullptr && numbers->is_array()) {
    for (const json::value& number : numbers->get_array()) {
      if (row != nullptr || !number.is_int64()) continue;
      const std::string name = fmt::format("AADSTS{}", number.get_int64());
      row = FindCode(kEntraCodes, name);
      if (row != nullptr || code.empty()) code = name;
    }
  }
  if (row == nullptr) row = FindCode(kEntraCodes, TextOf(answer.body, "error"));
  if (code.empty()) code = fmt::format("HTTP {}", answer.status);
  const KmsMeaning meaning = row != nullptr ? Credible(row->meaning, answer.status)
                                            : MeaningOfStatus(kEntraStatuses, answer.status);
  std::string message = FirstLine(TextOf(answer.body, "error_description"));
  message.resize(std::min(message.size(), message.find(" Trace ID:")));
  // "AADSTS700016: Application with ...": the code is beside it already.
  if (message.starts_with(code + ": ")) message.erase(0, code.size() + 2);
  KmsFailure failure = FailureOf(meaning, "Entra token", FirstLine(code), std::move(message));
  failure.request_id = FirstLine(TextOf(answer.body, "trace_id"));
  return failure;
}

KmsFailure ManagedIdentityFailure(const JsonAnswer& answer) {
  std::string message = FirstLine(TextOf(answer.body, "error_description"));
  if (message.empty()) message = FirstLine(TextOf(answer.body, "message"));
  return FailureOf(MeaningOfStatus(kManagedIdentityStatuses, answer.status), "managed identity",
                   fmt::format("HTTP {}", answer.status), std::move(message));
}

std::vector<AnswerRow> Answers() {
  std::vector<AnswerRow> rows;
  AddAnswers(rows, "Key Vault", kVaultCodes);
  rows.push_back(
      {"Key Vault, unwrapKey", kBadParameterOfUnwrap.code, kBadParameterOfUnwrap.meaning});
  rows.push_back({"Key Vault, the rest", kBadParameter.code, kBadParameter.meaning});
  AddAnswers(rows, "Key Vault, words of a 403", kForbiddenWords);
  AddAnswers(rows, "Key Vault, without a code", kVaultStatuses);
  AddAnswers(rows, "Entra", kEntraCodes);
  AddAnswers(rows, "Entra, without a code", kEntraStatuses);
  AddAnswers(rows, "managed identity", kManagedIdentityStatuses);
  return rows;
}

}  // namespace freehold::azure
