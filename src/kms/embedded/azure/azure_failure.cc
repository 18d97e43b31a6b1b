#include "kms/embedded/azure/azure_failure.h"

#include "base/log.h"
#include "fmt/format.h"

namespace freehold::embedded::azure {

AzureFailure BadParameter(std::string message) {
  return {400, "BadParameter", "", std::move(message)};
}

AzureFailure Unauthorized(std::string message) {
  return {401, "Unauthorized", "", std::move(message)};
}

AzureFailure KeyNotFound(const std::string& name) {
  return {404, "KeyNotFound", "",
          fmt::format("A key with (name/id) {} was not found in this key vault. If you recently "
                      "deleted this key you may be able to recover it using the correct recovery "
                      "command.",
                      name)};
}

AzureFailure NotAllowed(const std::string& operation, const std::string& on, std::string inner) {
  return {403, "Forbidden", std::move(inner),
          fmt::format("Operation {} is not allowed on {} key.", operation, on)};
}

AzureFailure Broken(const Error& error) {
  LogError("kms", error.message());
  return {500, "InternalServerError", "", "An error occurred in the service; its log says why."};
}

}  // namespace freehold::embedded::azure
