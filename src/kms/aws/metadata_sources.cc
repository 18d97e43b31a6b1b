// The two sources of credentials.h that ask an HTTP service on this machine.
#include <boost/json.hpp>

#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/aws/credentials.h"

namespace freehold::aws {
namespace {

// These services are one hop away; where they are missing, waiting does not make them appear.
constexpr Duration kMetadataTimeout = std::chrono::seconds(1);
constexpr const char* kEcsOrigin = "http://169.254.170.2";
constexpr const char* kImdsOrigin = "http://169.254.169.254";
constexpr const char* kImdsOriginV6 = "http://[fd00:ec2::254]";
constexpr const char* kImdsRoles = "/latest/meta-data/iam/security-credentials/";

HttpOptions MetadataOptions() {
  HttpOptions options;
  options.connect_timeout = kMetadataTimeout;
  options.total_timeout = 2 * kMetadataTimeout;
  return options;
}

KmsResult<std::optional<AwsCredentials>> ReadCredentials(std::string_view service,
                                                         const HttpResponse& response) {
  if (response.status != 200) {
    const bool outage = response.status >= 500 || response.status == 429;
    return tl::unexpected(OwnFailure(outage ? KmsMeaning::kOutage : KmsMeaning::kOurCredentials,
                                     service, fmt::format("answered HTTP {}", response.status)));
  }
  boost::system::error_code error;
  const auto value = boost::json::parse(response.body, error);
  const auto text = [&](std::string_view name) -> std::string {
    const auto* object = error ? nullptr : value.if_object();
    const auto* field = object == nullptr ? nullptr : object->if_contains(name);
    return field == nullptr || !field->is_string() ? "" : std::string(field->get_string());
  };
  AwsCredentials credentials{text("AccessKeyId"),
                             SecretBytes::CopyOf(AsBytes(text("SecretAccessKey"))),
                             SecretBytes::CopyOf(AsBytes(text("Token")))};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    const std::string code = text("Code");
    return tl::unexpected(OwnFailure(KmsMeaning::kOurCredentials, service,
                                     code.empty() ? "the answer holds no credentials" : code));
  }
  return credentials;
}

}  // namespace

KmsResult<std::optional<AwsCredentials>> ContainerSource::Fetch() {
  const std::string service(name());
  const Environment& environment = surroundings_.environment;
  std::string text = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").value_or("");
  if (const auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
    text = kEcsOrigin + *relative;
  }
  if (text.empty()) return std::nullopt;
  auto url = HttpUrl::Parse(text);
  if (!url.ok())
    return tl::unexpected(OwnFailure(KmsMeaning::kOurCredentials, service, url.error().message()));

  HttpRequest request;
  request.target = url->target;
  std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
  if (const auto file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    // Read afresh each time: the file is replaced while we run.
    auto bytes = ReadFile(*file, 64 << 10);
    if (!bytes.ok()) {
      return tl::unexpected(
          OwnFailure(KmsMeaning::kOurCredentials, service, bytes.error().message()));
    }
    token = AsText(*bytes);
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  }
  if (!token.empty()) request.headers.emplace_back("authorization", token);
  auto response = SendHttp(url->origin, request, MetadataOptions());
  if (!response.has_value()) {
    return tl::unexpected(OwnFailure(KmsMeaning::kOutage, service, response.error().message));
  }
  return ReadCredentials(service, *response);
}

KmsResult<std::optional<AwsCredentials>> InstanceMetadataSource::Fetch() {
  const std::string service(name());
  const Environment& environment = surroundings_.environment;
  const std::string disabled = environment("AWS_EC2_METADATA_DISABLED").value_or("");
  if (disabled == "true" || disabled == "TRUE" || disabled == "True") return std::nullopt;
  const bool v6 = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").value_or("") == "IPv6";
  auto url = HttpUrl::Parse(
      environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or(v6 ? kImdsOriginV6 : kImdsOrigin));
  if (!url.ok())
    return tl::unexpected(OwnFailure(KmsMeaning::kOurCredentials, service, url.error().message()));

  const auto token =
      SendHttp(url->origin,
               {"PUT", "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "300"}}, ""},
               MetadataOptions());
  // Nobody there: this is not an EC2 instance. Version 1, which needs no token, is never tried.
  if (!token.has_value() || token->status != 200) return std::nullopt;
  const HttpHeaders headers = {{"x-aws-ec2-metadata-token", token->body}};
  const auto roles = SendHttp(url->origin, {"GET", kImdsRoles, headers, ""}, MetadataOptions());
  if (!roles.has_value()) {
    return tl::unexpected(OwnFailure(KmsMeaning::kOutage, service, roles.error().message));
  }
  if (roles->status == 404) return std::nullopt;  // an instance without a role
  const std::string role = roles->body.substr(0, roles->body.find_first_of("\r\n"));
  if (roles->status != 200 || role.empty()) {
    return tl::unexpected(OwnFailure(KmsMeaning::kOurCredentials, service, "names no role"));
  }
  const auto keys =
      SendHttp(url->origin, {"GET", kImdsRoles + role, headers, ""}, MetadataOptions());
  if (!keys.has_value()) {
    return tl::unexpected(OwnFailure(KmsMeaning::kOutage, service, keys.error().message));
  }
  return ReadCredentials(service, *keys);
}

}  // namespace freehold::aws
