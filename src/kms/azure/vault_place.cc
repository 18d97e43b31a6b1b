#include "kms/azure/vault_place.h"

#include <boost/json.hpp>

namespace freehold::azure {
namespace {

tl::unexpected<KmsFailure> Misconfigured(std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurConfiguration, "Azure configuration", std::move(message)));
}

constexpr std::string_view kPublicCloud = "https://login.microsoftonline.com";

bool IsOfPublicCloud(std::string_view host) { return host.ends_with(".azure.net"); }

}  // namespace

bool IsOnThisMachine(const std::string& url) {
  const auto parsed = HttpUrl::Parse(url);
  if (!parsed.ok()) return false;
  const std::string& authority = parsed->authority;
  const std::string host = authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1)
                                                      : authority.substr(0, authority.find(':'));
  return host == "127.0.0.1" || host == "[::1]" || host == "localhost";
}

KmsResult<VaultPlace> PlaceOf(const AzureKeyId& key, const Surroundings& surroundings) {
  VaultPlace place;
  place.host = key.host;
  place.url = "https://" + key.host;
  place.audience = "https://" + key.host.substr(key.host.find('.') + 1);
  place.ca_bundle = surroundings.Variable("FREEHOLD_AZURE_CA_FILE");
  place.authority = surroundings.Variable("AZURE_AUTHORITY_HOST");
  if (place.authority.empty()) {
    // A key's name must not decide whose servers get our secret.
    if (!IsOfPublicCloud(key.host)) {
      return Misconfigured(
          "the key is in another cloud than the public one; set AZURE_AUTHORITY_HOST to that "
          "cloud's Entra (login.chinacloudapi.cn, login.microsoftonline.us)");
    }
    place.authority = kPublicCloud;
  }
  // Microsoft's own tools take a host without a scheme too.
  if (place.authority.find("://") == std::string::npos) place.authority.insert(0, "https://");
  const auto authority = HttpUrl::Parse(place.authority);
  if (!authority.ok()) return Misconfigured("AZURE_AUTHORITY_HOST: " + authority.error().message());
  place.authority = authority->origin;

  const std::string stand_in = surroundings.Variable("FREEHOLD_AZURE_VAULT_ENDPOINT");
  if (stand_in.empty()) return place;
  const auto url = HttpUrl::Parse(stand_in);
  if (!url.ok()) {
    return Misconfigured("FREEHOLD_AZURE_VAULT_ENDPOINT: " + url.error().message());
  }
  if (!IsOnThisMachine(stand_in) || !IsOnThisMachine(place.authority)) {
    return Misconfigured(
        "FREEHOLD_AZURE_VAULT_ENDPOINT is for trying: it and AZURE_AUTHORITY_HOST must both be "
        "loopback addresses");
  }
  place.url = url->origin;
  place.is_stand_in = true;
  return place;
}

KmsResult<JsonAnswer> SendPatiently(std::string_view operation, const JsonRequest& request,
                                    const Surroundings& surroundings) {
  for (int next = 2;; ++next) {
    auto answer = SendJson(operation, request, surroundings);
    const bool again = answer.has_value() ? answer->status >= 500 || answer->status == 429
                                          : answer.error().kms_class == KmsClass::kUnreachable;
    if (!again || next > surroundings.timeouts.tries) return answer;
    surroundings.pause(PauseBefore(next));
  }
}

}  // namespace freehold::azure
