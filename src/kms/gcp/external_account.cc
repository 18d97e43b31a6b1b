// ExternalAccountToken of credentials.h: another issuer's token, exchanged for one of Google's.
#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/gcp/credentials.h"
#include "kms/gcp/endpoints.h"

namespace freehold::gcp {
namespace {

namespace json = boost::json;

constexpr std::size_t kLargestToken = 64 << 10;

// As `format` says: the whole text, or one field of a JSON object.
KmsResult<std::string> SubjectTokenIn(std::string text, const json::object& format) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (TextOf(format, "type") != "json") return text;
  const std::string field = TextOf(format, "subject_token_field_name");
  boost::system::error_code failure;
  const auto value = json::parse(text, failure);
  WipeMemory(text.data(), text.size());
  const std::string token = failure || !value.is_object() ? "" : TextOf(value.get_object(), field);
  if (token.empty()) return BadCredentials("credential_source: the token's field is missing");
  return token;
}

KmsResult<std::string> TextAt(const std::string& url, const json::object& headers,
                              const Surroundings& surroundings) {
  const auto parsed = HttpUrl::Parse(url);
  if (!parsed.ok()) return BadCredentials("credential_source: " + parsed.error().message());
  HttpRequest request{"GET", parsed->target, {}, "", ""};
  for (const auto& [name, value] : headers) {
    if (value.is_string()) request.headers.emplace_back(name, value.get_string());
  }
  HttpOptions options;
  options.connect_timeout = surroundings.timeouts.connect;
  options.total_timeout = surroundings.timeouts.request;
  options.body_limit = kLargestToken;
  auto response = SendHttp(parsed->origin, request, options);
  if (!response.has_value()) {
    return tl::unexpected(FailureOf("credential_source", response.error()));
  }
  if (response->status != 200) {
    return BadCredentials(fmt::format("credential_source answered HTTP {}", response->status));
  }
  return std::move(response->body);
}

KmsResult<std::string> SubjectToken(const json::object& source, const Surroundings& surroundings) {
  const std::string file = TextOf(source, "file");
  const std::string url = TextOf(source, "url");
  const json::object& format = ObjectOf(source, "format");
  if (!file.empty()) {
    const auto bytes = ReadFile(file, kLargestToken);
    if (!bytes.ok()) return BadCredentials("credential_source: " + bytes.error().message());
    return SubjectTokenIn(std::string(AsText(*bytes)), format);
  }
  if (source.contains("environment_id") || url.empty()) {
    return BadCredentials("credential_source names neither a file nor a url, which is all we know");
  }
  auto text = TextAt(url, ObjectOf(source, "headers"), surroundings);
  if (!text.has_value()) return tl::unexpected(text.error());
  return SubjectTokenIn(std::move(*text), format);
}

// ".../serviceAccounts/EMAIL:generateAccessToken" -> EMAIL
std::string AccountIn(std::string_view url) {
  const auto first = url.rfind('/');
  const auto last = url.rfind(':');
  if (first == std::string_view::npos || last == std::string_view::npos || last < first) return "";
  return FirstLine(url.substr(first + 1, last - first - 1));
}

}  // namespace

KmsResult<AccessToken> ExternalAccountToken(const json::object& file,
                                            const Surroundings& surroundings) {
  // Before anything is read or sent: both places get a token of somebody's.
  const std::string impersonation = TextOf(file, "service_account_impersonation_url");
  if (!impersonation.empty()) {
    if (const auto allowed = CheckTokenUrl(impersonation, surroundings); !allowed.ok()) {
      return tl::unexpected(OwnFailure(KmsMeaning::kOurConfiguration, "Google credentials",
                                       allowed.error().message()));
    }
  }
  auto subject = SubjectToken(ObjectOf(file, "credential_source"), surroundings);
  if (!subject.has_value()) return tl::unexpected(subject.error());
  auto token =
      AskTokenEndpoint("token exchange", TextOf(file, "token_url"),
                       {{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                        {"audience", TextOf(file, "audience")},
                        {"scope", kPlatformScope},
                        {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
                        {"subject_token_type", TextOf(file, "subject_token_type")},
                        {"subject_token", *subject}},
                       surroundings);
  WipeMemory(subject->data(), subject->size());
  if (!token.has_value()) return tl::unexpected(token.error());
  AccessToken federated{std::move(*token), ""};
  if (impersonation.empty()) return federated;
  auto own =
      Impersonate(federated, impersonation, AccountIn(impersonation), kPlatformScope, surroundings);
  // This account is ours: that it refuses us is no word of the customer's.
  if (!own.has_value() && own.error().kms_class == KmsClass::kDenied) {
    return tl::unexpected(FailureOf(KmsMeaning::kOurCredentials, own.error().operation,
                                    own.error().code, own.error().message));
  }
  return own;
}

}  // namespace freehold::gcp
