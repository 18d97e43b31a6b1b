// The token of the machine's own identity: App Service's endpoint where there is one, else the
// instance metadata service.
#include <boost/json.hpp>

#include "kms/azure/classify.h"
#include "kms/azure/credentials.h"

namespace freehold::azure {
namespace {

constexpr std::string_view kOperation = "managed identity";
constexpr const char* kInstanceMetadata = "http://169.254.169.254";
constexpr const char* kTokenPath = "/metadata/identity/oauth2/token?api-version=2018-02-01&";

}  // namespace

KmsResult<AccessToken> FetchManagedIdentityToken(const VaultPlace& place,
                                                 const Surroundings& surroundings) {
  std::map<std::string, std::string> query{{"resource", place.audience}};
  if (const auto id = surroundings.environment("AZURE_CLIENT_ID")) query["client_id"] = *id;
  JsonRequest request;
  request.method = "GET";
  const std::string endpoint = surroundings.Variable("IDENTITY_ENDPOINT");
  const std::string header = surroundings.Variable("IDENTITY_HEADER");
  if (!endpoint.empty() && !header.empty()) {
    request.url = endpoint + "?api-version=2019-08-01&" + EncodeForm(query);
    request.headers = {{"x-identity-header", header}};
  } else {
    std::string host = surroundings.Variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    if (host.empty()) host = kInstanceMetadata;
    request.url = host + kTokenPath + EncodeForm(query);
    request.headers = {{"metadata", "true"}};
  }
  if (place.is_stand_in && !IsOnThisMachine(request.url)) {
    return tl::unexpected(OwnFailure(KmsMeaning::kOurCredentials, "Azure credentials",
                                     "none configured (looked at AZURE_CLIENT_SECRET, "
                                     "AZURE_CLIENT_CERTIFICATE_PATH, AZURE_FEDERATED_TOKEN_FILE, "
                                     "IDENTITY_ENDPOINT), and a real identity's token is not for "
                                     "FREEHOLD_AZURE_VAULT_ENDPOINT"));
  }
  auto answer = SendPatiently(kOperation, request, surroundings);
  if (!answer.has_value()) {
    answer.error().message +=
        " (no AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE is "
        "set, so the machine's own identity was asked for)";
    return tl::unexpected(answer.error());
  }
  if (!answer->ok()) return tl::unexpected(ManagedIdentityFailure(*answer));
  return TokenIn(kOperation, *answer, place);
}

}  // namespace freehold::azure
