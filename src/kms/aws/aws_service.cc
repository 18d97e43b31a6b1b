#include "kms/aws/aws_service.h"

namespace freehold::aws {

ServiceEndpoint EndpointOf(const AwsConfig& config, const std::string& service,
                           const std::string& region) {
  return {config.EndpointUrl(service, region), {region, service}, config.ca_bundle()};
}

HttpResult Post(const ServiceEndpoint& endpoint, HttpHeaders headers, std::string body,
                const AwsCredentials* credentials, const Surroundings& surroundings) {
  auto url = HttpUrl::Parse(endpoint.url);
  if (!url.ok()) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kRefused, url.error().message()});
  }
  // The host that is signed is the host that is sent, whatever libcurl would make of the URL.
  headers.emplace_back("host", url->authority);
  if (credentials != nullptr) {
    const WallTime now = surroundings.clock->Wall();
    headers.emplace_back("x-amz-date", SigV4Date(now));
    if (!credentials->session_token.empty()) {
      headers.emplace_back("x-amz-security-token",
                           AsText(credentials->session_token.ExposeSecret()));
    }
    const SigV4Request to_sign{"POST", url->target, headers, body};
    headers.emplace_back("authorization",
                         SigV4Authorization(to_sign, endpoint.scope, credentials->access_key_id,
                                            credentials->secret_access_key, now));
  }
  HttpOptions options;
  options.connect_timeout = surroundings.timeouts.connect;
  options.total_timeout = surroundings.timeouts.request;
  options.ca_bundle = endpoint.ca_bundle;
  return SendHttp(url->origin, {"POST", url->target, std::move(headers), std::move(body)}, options);
}

}  // namespace freehold::aws
