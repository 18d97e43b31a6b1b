// MetadataToken of credentials.h: the token of the machine's own service account.
#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "fmt/format.h"
#include "kms/gcp/classify.h"
#include "kms/gcp/credentials.h"

namespace freehold::gcp {
namespace {

// By its address, as only link-local names are asked over plain http.
constexpr const char* kMetadataAddress = "169.254.169.254";

std::string HostOf(const Surroundings& surroundings) {
  const std::string host = surroundings.Variable("GCE_METADATA_HOST");
  return host.empty() || host == "metadata.google.internal" ? kMetadataAddress : host;
}

JsonRequest MetadataRequest(const std::string& host, std::string_view what) {
  JsonRequest request;
  request.method = "GET";
  request.url =
      fmt::format("http://{}/computeMetadata/v1/instance/service-accounts/default/{}", host, what);
  request.headers = {{"metadata-flavor", "Google"}};
  return request;
}

}  // namespace

KmsResult<AccessToken> MetadataToken(const Surroundings& surroundings) {
  const std::string host = HostOf(surroundings);
  const bool is_named = !surroundings.Variable("GCE_METADATA_HOST").empty();
  auto answer = AskGoogle("metadata server", MetadataRequest(host, "token"), surroundings);
  if (!answer.has_value()) {
    if (is_named) return tl::unexpected(answer.error());
    return BadCredentials(
        fmt::format("none configured (looked at GOOGLE_APPLICATION_CREDENTIALS and the metadata "
                    "server: {})",
                    answer.error().message));
  }
  if (!answer->ok()) return tl::unexpected(TokenFailure("metadata server", *answer));
  if (FindHeader(answer->headers, "metadata-flavor") != "Google") {
    return BadCredentials(fmt::format("{} is no metadata server of Google's", host));
  }
  auto* token = answer->body.if_contains("access_token");
  if (token == nullptr || !token->is_string() || token->get_string().empty()) {
    return BadCredentials("the metadata server's answer holds no token");
  }
  auto& text = token->get_string();
  AccessToken own{SecretBytes::CopyOf(AsBytes({text.data(), text.size()})), ""};
  WipeMemory(text.data(), text.size());
  return own;
}

std::string MetadataAccount(const Surroundings& surroundings) {
  const auto answer = AskGoogle(
      "metadata server", MetadataRequest(HostOf(surroundings), "?recursive=true"), surroundings);
  return answer.has_value() && answer->ok() ? FirstLine(TextOf(answer->body, "email")) : "";
}

}  // namespace freehold::gcp
