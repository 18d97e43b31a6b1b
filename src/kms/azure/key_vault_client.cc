#include "kms/azure/key_vault_client.h"

#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/azure/classify.h"

namespace freehold::azure {
namespace {

constexpr const char* kVersion = "?api-version=7.4";

}  // namespace

KmsResult<KeyVaultClient> KeyVaultClient::Open(const KeyAccess& access,
                                               const Surroundings& surroundings) {
  auto place = PlaceOf(access.uri.azure(), surroundings);
  if (!place.has_value()) return tl::unexpected(place.error());
  auto token = FetchToken(*place, access, surroundings);
  if (!token.has_value()) return tl::unexpected(token.error());
  return KeyVaultClient(std::move(*place), std::move(*token), surroundings);
}

KmsResult<boost::json::object> KeyVaultClient::Ask(std::string_view operation,
                                                   const std::string& path,
                                                   const boost::json::object* body) const {
  if (token_.audience != place_.audience) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kOurConfiguration, operation, "the token is for another service"));
  }
  JsonRequest request;
  request.method = body == nullptr ? "GET" : "POST";
  request.url = fmt::format("{}/{}{}", place_.url, path, kVersion);
  request.ca_bundle = place_.ca_bundle;
  request.headers = {
      {"host", place_.host},
      {"accept", "application/json"},
      {"authorization", fmt::format("Bearer {}", AsText(token_.text.ExposeSecret()))}};
  if (body != nullptr) {
    request.headers.emplace_back("content-type", "application/json");
    request.body = boost::json::serialize(*body);
  }
  auto answer = SendPatiently(operation, request, surroundings_);
  if (!answer.has_value()) return tl::unexpected(VaultSilence(std::move(answer.error())));
  if (!answer->ok()) return tl::unexpected(VaultFailure(operation, *answer));
  return std::move(answer->body);
}

}  // namespace freehold::azure
