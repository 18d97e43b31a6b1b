#include "kms/gcp/endpoints.h"

#include "fmt/format.h"
#include "net/http_client.h"

namespace freehold::gcp {
namespace {

constexpr const char* kKmsVariable = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS";
constexpr const char* kIamVariable = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";
constexpr const char* kTokenVariable = "CLOUDSDK_AUTH_TOKEN_HOST";

KmsResult<std::string> Endpoint(const char* variable, const char* usual,
                                const Surroundings& surroundings) {
  std::string url = surroundings.Variable(variable);
  if (url.empty()) return usual;
  if (const auto parsed = HttpUrl::Parse(url); !parsed.ok()) {
    return tl::unexpected(OwnFailure(KmsMeaning::kOurConfiguration, "Google's configuration",
                                     fmt::format("{}: {}", variable, parsed.error().message())));
  }
  while (url.ends_with('/')) url.pop_back();
  return url;
}

bool IsGoogles(const HttpUrl& url) {
  std::string_view host = url.origin;
  if (!host.starts_with("https://")) return false;
  host.remove_prefix(8);
  if (host.ends_with(":443")) host.remove_suffix(4);
  return host == "googleapis.com" || host.ends_with(".googleapis.com");
}

}  // namespace

KmsResult<std::string> KmsEndpoint(const Surroundings& surroundings) {
  return Endpoint(kKmsVariable, "https://cloudkms.googleapis.com", surroundings);
}

KmsResult<std::string> IamCredentialsEndpoint(const Surroundings& surroundings) {
  return Endpoint(kIamVariable, "https://iamcredentials.googleapis.com", surroundings);
}

std::string CaBundle(const Surroundings& surroundings) {
  return surroundings.Variable("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE");
}

Status CheckTokenUrl(const std::string& url, const Surroundings& surroundings) {
  const HttpUrl parsed = TRY(HttpUrl::Parse(url));
  if (IsGoogles(parsed)) return {};
  for (const char* variable : {kKmsVariable, kIamVariable, kTokenVariable}) {
    const auto named = HttpUrl::Parse(surroundings.Variable(variable));
    if (named.ok() && named->origin == parsed.origin) return {};
  }
  return Error(
      ErrorCode::kInvalidArgument,
      fmt::format("{} is no host of Google's, and {} does not name it: nothing is sent there",
                  Printable(parsed.origin), kTokenVariable));
}

}  // namespace freehold::gcp
