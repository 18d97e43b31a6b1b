#include "kms/aws/classify.h"

#include <tinyxml2.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/service/word_table.h"

namespace freehold::aws {
namespace {

using Row = WordRow;

constexpr std::array kKmsRows = {
    Row{"DisabledException", KmsMeaning::kKeyDisabled},
    Row{"AccessDeniedException", KmsMeaning::kPermissionMissing},
    Row{"NotFoundException", KmsMeaning::kKeyMissing},
    Row{"KMSInvalidStateException", KmsMeaning::kKeyStoreFailed},
    Row{"KMSInternalException", KmsMeaning::kOutage},
    Row{"DependencyTimeoutException", KmsMeaning::kOutage},
    Row{"KeyUnavailableException", KmsMeaning::kOutage},
    Row{"LimitExceededException", KmsMeaning::kThrottled},
    Row{"InvalidCiphertextException", KmsMeaning::kWrongCiphertext},
    Row{"IncorrectKeyException", KmsMeaning::kWrongKey},
    Row{"InvalidKeyUsageException", KmsMeaning::kWrongUsage},
    Row{"InvalidGrantTokenException", KmsMeaning::kBadRequest},
    Row{"InvalidArnException", KmsMeaning::kBadRequest},
    Row{"UnsupportedOperationException", KmsMeaning::kBadRequest},
    Row{"ValidationException", KmsMeaning::kBadRequest},
};

constexpr std::array kStsRows = {
    // The trust policy no longer lets us in: as much a "no" as a disabled key.
    Row{"AccessDenied", KmsMeaning::kTrustWithdrawn},
    Row{"AccessDeniedException", KmsMeaning::kTrustWithdrawn},
    Row{"RegionDisabledException", KmsMeaning::kOurConfiguration},
    Row{"IDPRejectedClaim", KmsMeaning::kOurCredentials},
    Row{"InvalidIdentityToken", KmsMeaning::kOurCredentials},
    Row{"IDPCommunicationError", KmsMeaning::kOutage},
    Row{"MalformedPolicyDocument", KmsMeaning::kBadRequest},
    Row{"PackedPolicyTooLarge", KmsMeaning::kBadRequest},
    Row{"ValidationError", KmsMeaning::kBadRequest},
};

// What DescribeKey says when an operation failed with KMSInvalidStateException. Any other state
// leaves it open: an external key store's failure looks just the same.
constexpr std::array kStateRows = {
    Row{"Disabled", KmsMeaning::kKeyDisabled},
    Row{"PendingDeletion", KmsMeaning::kKeyPendingDeletion},
    Row{"PendingReplicaDeletion", KmsMeaning::kKeyPendingDeletion},
    Row{"PendingImport", KmsMeaning::kMaterialMissing},
    Row{"Creating", KmsMeaning::kKeyChanging},
    Row{"Updating", KmsMeaning::kKeyChanging},
    Row{"Unavailable", KmsMeaning::kKeyStoreFailed},
};

// Every service of AWS can answer with these.
constexpr std::array kCommonRows = {
    Row{"ExpiredTokenException", KmsMeaning::kOurCredentials},
    Row{"ExpiredToken", KmsMeaning::kOurCredentials},
    Row{"UnrecognizedClientException", KmsMeaning::kOurCredentials},
    Row{"InvalidClientTokenId", KmsMeaning::kOurCredentials},
    Row{"InvalidSignatureException", KmsMeaning::kOurCredentials},
    Row{"SignatureDoesNotMatch", KmsMeaning::kOurCredentials},
    Row{"IncompleteSignature", KmsMeaning::kOurCredentials},
    Row{"IncompleteSignatureException", KmsMeaning::kOurCredentials},
    Row{"MissingAuthenticationToken", KmsMeaning::kOurCredentials},
    Row{"MissingAuthenticationTokenException", KmsMeaning::kOurCredentials},
    Row{"RequestExpired", KmsMeaning::kOurClock},
    Row{"RequestTimeTooSkewed", KmsMeaning::kOurClock},
    Row{"OptInRequired", KmsMeaning::kOurConfiguration},
    Row{"ThrottlingException", KmsMeaning::kThrottled},
    Row{"Throttling", KmsMeaning::kThrottled},
    Row{"TooManyRequestsException", KmsMeaning::kThrottled},
    Row{"RequestLimitExceeded", KmsMeaning::kThrottled},
    Row{"RequestThrottled", KmsMeaning::kThrottled},
    Row{"SlowDown", KmsMeaning::kThrottled},
    Row{"ServiceUnavailable", KmsMeaning::kOutage},
    Row{"ServiceUnavailableException", KmsMeaning::kOutage},
    Row{"InternalFailure", KmsMeaning::kOutage},
    Row{"InternalServerError", KmsMeaning::kOutage},
    Row{"RequestTimeout", KmsMeaning::kTimedOut},
    Row{"RequestTimeoutException", KmsMeaning::kTimedOut},
};

KmsMeaning MeaningOf(std::span<const Row> rows, const ServiceError& error) {
  if (const Row* row = FindCode(rows, error.code)) return Credible(row->meaning, error.http_status);
  if (const Row* row = FindCode(kCommonRows, error.code)) return row->meaning;
  const bool outage = error.http_status >= 500 || error.http_status == 429;
  return outage ? KmsMeaning::kOutage : KmsMeaning::kNotUnderstood;
}

std::string ChildText(const tinyxml2::XMLElement* parent, const char* name) {
  const auto* child = parent == nullptr ? nullptr : parent->FirstChildElement(name);
  const char* text = child == nullptr ? nullptr : child->GetText();
  return text == nullptr ? "" : text;
}

}  // namespace

std::string BareErrorCode(std::string_view type) {
  // The suffix first: it is a URL and may hold a '#' of its own.
  type = type.substr(0, type.find(':'));
  if (const auto hash = type.rfind('#'); hash != std::string_view::npos) {
    type.remove_prefix(hash + 1);
  }
  return std::string(type);
}

ServiceError ReadJsonError(const HttpResponse& response) {
  ServiceError error;
  error.http_status = response.status;
  error.request_id = FindHeader(response.headers, "x-amzn-requestid").value_or("");
  boost::system::error_code failure;
  const auto value = boost::json::parse(response.body, failure);
  std::string type;
  if (!failure && value.is_object()) {
    const auto& object = value.get_object();
    type = TextOf(object, "__type");
    error.message = TextOf(object, "message");
    if (error.message.empty()) error.message = TextOf(object, "Message");
  }
  if (type.empty()) type = FindHeader(response.headers, "x-amzn-errortype").value_or("");
  error.code = BareErrorCode(type);
  return error;
}

ServiceError ReadXmlError(const HttpResponse& response) {
  ServiceError error;
  error.http_status = response.status;
  error.request_id = FindHeader(response.headers, "x-amzn-requestid").value_or("");
  tinyxml2::XMLDocument document;
  if (document.Parse(response.body.data(), response.body.size()) != tinyxml2::XML_SUCCESS) {
    return error;
  }
  const auto* root = document.FirstChildElement("ErrorResponse");
  const auto* details = root == nullptr ? nullptr : root->FirstChildElement("Error");
  error.code = BareErrorCode(ChildText(details, "Code"));
  error.message = ChildText(details, "Message");
  if (error.request_id.empty()) error.request_id = ChildText(root, "RequestId");
  return error;
}

KmsMeaning MeaningOfKmsError(const ServiceError& error) { return MeaningOf(kKmsRows, error); }

KmsMeaning MeaningOfKeyState(std::string_view key_state) {
  const Row* row = FindCode(kStateRows, key_state);
  return row == nullptr ? KmsMeaning::kKeyStoreFailed : row->meaning;
}

KmsMeaning MeaningOfStsError(const ServiceError& error) { return MeaningOf(kStsRows, error); }

KmsFailure FailureOf(std::string_view operation, const ServiceError& error, KmsMeaning meaning) {
  KmsFailure failure = freehold::FailureOf(
      meaning, operation,
      error.code.empty() ? fmt::format("HTTP {}", error.http_status) : FirstLine(error.code),
      FirstLine(error.message));
  failure.request_id = FirstLine(error.request_id);
  return failure;
}

std::vector<AnswerRow> Answers() {
  std::vector<AnswerRow> rows;
  AddAnswers(rows, "AWS KMS", kKmsRows);
  AddAnswers(rows, "AWS KMS, KMSInvalidStateException with the state", kStateRows);
  AddAnswers(rows, "AWS STS, AssumeRole", kStsRows);
  AddAnswers(rows, "AWS, any service", kCommonRows);
  return rows;
}

}  // namespace freehold::aws
