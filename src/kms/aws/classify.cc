#include "kms/aws/classify.h"

#include <tinyxml2.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "fmt/format.h"

namespace freehold::aws {
namespace {

struct Row {
  std::string_view code;
  KmsClass kms_class;
};

constexpr std::array kKmsRows = {
    Row{"DisabledException", KmsClass::kDenied},
    Row{"AccessDeniedException", KmsClass::kDenied},
    Row{"NotFoundException", KmsClass::kDenied},
    Row{"KMSInvalidStateException", KmsClass::kAmbiguous},
    Row{"KMSInternalException", KmsClass::kUnreachable},
    Row{"DependencyTimeoutException", KmsClass::kUnreachable},
    Row{"KeyUnavailableException", KmsClass::kUnreachable},
    Row{"LimitExceededException", KmsClass::kUnreachable},
    Row{"InvalidCiphertextException", KmsClass::kData},
    Row{"IncorrectKeyException", KmsClass::kData},
    Row{"InvalidKeyUsageException", KmsClass::kData},
    Row{"InvalidGrantTokenException", KmsClass::kData},
    Row{"InvalidArnException", KmsClass::kData},
    Row{"UnsupportedOperationException", KmsClass::kData},
    Row{"ValidationException", KmsClass::kData},
};

constexpr std::array kStsRows = {
    // The trust policy no longer lets us in: as much a "no" as a disabled key.
    Row{"AccessDenied", KmsClass::kDenied},
    Row{"AccessDeniedException", KmsClass::kDenied},
    Row{"RegionDisabledException", KmsClass::kOurs},
    Row{"IDPRejectedClaim", KmsClass::kOurs},
    Row{"InvalidIdentityToken", KmsClass::kOurs},
    Row{"IDPCommunicationError", KmsClass::kUnreachable},
    Row{"MalformedPolicyDocument", KmsClass::kData},
    Row{"PackedPolicyTooLarge", KmsClass::kData},
    Row{"ValidationError", KmsClass::kData},
};

// Every service of AWS can answer with these.
constexpr std::array kCommonRows = {
    Row{"ExpiredTokenException", KmsClass::kOurs},
    Row{"ExpiredToken", KmsClass::kOurs},
    Row{"UnrecognizedClientException", KmsClass::kOurs},
    Row{"InvalidClientTokenId", KmsClass::kOurs},
    Row{"InvalidSignatureException", KmsClass::kOurs},
    Row{"SignatureDoesNotMatch", KmsClass::kOurs},
    Row{"IncompleteSignature", KmsClass::kOurs},
    Row{"IncompleteSignatureException", KmsClass::kOurs},
    Row{"MissingAuthenticationToken", KmsClass::kOurs},
    Row{"MissingAuthenticationTokenException", KmsClass::kOurs},
    Row{"RequestExpired", KmsClass::kOurs},
    Row{"RequestTimeTooSkewed", KmsClass::kOurs},
    Row{"OptInRequired", KmsClass::kOurs},
    Row{"ThrottlingException", KmsClass::kUnreachable},
    Row{"Throttling", KmsClass::kUnreachable},
    Row{"TooManyRequestsException", KmsClass::kUnreachable},
    Row{"RequestLimitExceeded", KmsClass::kUnreachable},
    Row{"RequestThrottled", KmsClass::kUnreachable},
    Row{"SlowDown", KmsClass::kUnreachable},
    Row{"ServiceUnavailable", KmsClass::kUnreachable},
    Row{"ServiceUnavailableException", KmsClass::kUnreachable},
    Row{"InternalFailure", KmsClass::kUnreachable},
    Row{"InternalServerError", KmsClass::kUnreachable},
    Row{"RequestTimeout", KmsClass::kUnreachable},
    Row{"RequestTimeoutException", KmsClass::kUnreachable},
};

template <std::size_t N>
KmsClass Classify(const std::array<Row, N>& rows, const ServiceError& error) {
  for (const Row& row : rows) {
    if (row.code == error.code) return row.kms_class;
  }
  for (const Row& row : kCommonRows) {
    if (row.code == error.code) return row.kms_class;
  }
  const bool outage = error.http_status >= 500 || error.http_status == 429;
  return outage ? KmsClass::kUnreachable : KmsClass::kAmbiguous;
}

std::string TextOf(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return "";
  return std::string(value->get_string());
}

std::string ChildText(const tinyxml2::XMLElement* parent, const char* name) {
  const auto* child = parent == nullptr ? nullptr : parent->FirstChildElement(name);
  const char* text = child == nullptr ? nullptr : child->GetText();
  return text == nullptr ? "" : text;
}

// The service's words go into logs and onto terminals: their first line, printable and bounded.
// What follows a first line is the request that was signed, session token and all.
std::string FirstLine(std::string_view message) {
  constexpr std::size_t kLongest = 500;
  std::string line(message.substr(0, std::min(message.find_first_of("\r\n"), kLongest)));
  for (char& c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) c = '?';
  }
  return line;
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

KmsClass ClassifyKmsError(const ServiceError& error) { return Classify(kKmsRows, error); }

KmsClass ClassifyKeyState(std::string_view key_state) {
  for (const std::string_view gone :
       {"PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Disabled"}) {
    if (key_state == gone) return KmsClass::kDenied;
  }
  return KmsClass::kAmbiguous;
}

KmsClass ClassifyStsError(const ServiceError& error) { return Classify(kStsRows, error); }

KmsFailure FailureOf(std::string_view operation, const ServiceError& error, KmsClass kms_class) {
  KmsFailure failure;
  failure.kms_class = kms_class;
  failure.code =
      error.code.empty() ? fmt::format("HTTP {}", error.http_status) : FirstLine(error.code);
  failure.message = FirstLine(error.message);
  failure.operation = operation;
  failure.request_id = FirstLine(error.request_id);
  return failure;
}

KmsFailure FailureOf(std::string_view operation, const HttpFailure& failure) {
  KmsFailure result;
  const bool refused = failure.kind == HttpFailureKind::kRefused;
  result.kms_class = refused ? KmsClass::kOurs : KmsClass::kUnreachable;
  result.message = failure.message;
  result.operation = operation;
  return result;
}

}  // namespace freehold::aws
