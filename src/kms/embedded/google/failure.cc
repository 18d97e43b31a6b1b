#include "kms/embedded/google/failure.h"

#include "fmt/format.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

json::object ErrorInfo(const std::string& reason, json::object metadata) {
  return {{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
          {"reason", reason},
          {"domain", "googleapis.com"},
          {"metadata", std::move(metadata)}};
}

}  // namespace

GoogleFailure InvalidArgument(std::string message) {
  return {400, "INVALID_ARGUMENT", std::move(message)};
}

GoogleFailure NotFound(const std::string& resource) {
  return {404, "NOT_FOUND", resource + " not found."};
}

GoogleFailure AlreadyExists(const std::string& resource) {
  return {409, "ALREADY_EXISTS", resource + " already exists."};
}

GoogleFailure FailedPrecondition(std::string message) {
  return {400, "FAILED_PRECONDITION", std::move(message)};
}

GoogleFailure Unauthenticated(const std::string& reason) {
  return {401, "UNAUTHENTICATED",
          "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
          "cookie or other valid authentication credential.",
          json::array{ErrorInfo(reason, {})}};
}

GoogleFailure PermissionDenied(const std::string& permission, const std::string& resource) {
  return {403, "PERMISSION_DENIED",
          fmt::format("Permission '{}' denied on resource '{}' (or it may not exist).", permission,
                      resource),
          json::array{ErrorInfo("IAM_PERMISSION_DENIED",
                                {{"permission", permission}, {"resource", resource}})}};
}

GoogleFailure Internal() { return {500, "INTERNAL", "Internal error encountered."}; }

}  // namespace freehold::embedded::google
