#include "kms/embedded/authenticate.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/log.h"
#include "crypto/crypto.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/session.h"
#include "kms/sigv4.h"

namespace freehold::embedded {
namespace {

constexpr Duration kAllowedSkew = std::chrono::minutes(5);

AwsFailure Unrecognized() {
  return {"UnrecognizedClientException", "The security token included in the request is invalid."};
}
AwsFailure Expired() {
  return {"ExpiredTokenException", "The security token included in the request is expired"};
}
AwsFailure BadSignature(std::string message) {
  return {"InvalidSignatureException", std::move(message)};
}
AwsFailure Incomplete(std::string message) {
  return {"IncompleteSignatureException", std::move(message)};
}

// "20150830T123600Z"
std::optional<WallTime> ParseAmzDate(const std::string& text) {
  std::tm utc{};
  if (text.size() != 16) return std::nullopt;
  const char* end = strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return WallTime{std::chrono::seconds(timegm(&utc))};
}

AwsStatus CheckTime(const std::string& amz_date, const SigV4Presented& presented, WallTime now) {
  const auto signed_at = ParseAmzDate(amz_date);
  if (!signed_at) {
    return Incomplete(
        "Date must be in ISO-8601 'basic format' (YYYYMMDDTHHMMSSZ) in the x-amz-date header.");
  }
  if (amz_date.substr(0, 8) != presented.date) {
    return BadSignature(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
        "of date from HTTP");
  }
  if (*signed_at + kAllowedSkew < now) {
    return BadSignature(fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)",
                                    amz_date, SigV4Date(now + -kAllowedSkew), SigV4Date(now)));
  }
  if (now + kAllowedSkew < *signed_at) {
    return BadSignature(
        fmt::format("Signature not yet current: {} is still later than {} "
                    "({} + 5 min.)",
                    amz_date, SigV4Date(now + kAllowedSkew), SigV4Date(now)));
  }
  return {};
}

AwsStatus CheckSignedHeaders(const HttpRequest& request, const SigV4Presented& presented) {
  for (const auto& [name, value] : request.headers) {
    if (name != "host" && !name.starts_with("x-amz-")) continue;
    if (std::find(presented.signed_headers.begin(), presented.signed_headers.end(), name) ==
        presented.signed_headers.end()) {
      return BadSignature(fmt::format("'{}' must be a signed header", name));
    }
  }
  for (const std::string& name : presented.signed_headers) {
    if (!FindHeader(request.headers, name)) {
      return BadSignature(fmt::format("The signed header '{}' is missing", name));
    }
  }
  const auto& names = presented.signed_headers;
  if (std::find(names.begin(), names.end(), "host") == names.end()) {
    return BadSignature("'host' must be a signed header");
  }
  return {};
}

// Sets the caller and returns the secret that must have signed.
AwsResult<SecretBytes> FindLongLivedKey(const KeyStore& store, const State& state, Call& call) {
  const auto found = state.access.find(call.access_key_id);
  if (found == state.access.end()) return Unrecognized();
  const AccessKey& access = found->second;
  call.caller = {Principal::Kind::kRoot, access.account, "", "", access.account};
  if (!access.user.empty()) {
    const auto user = state.users.find({access.account, access.user});
    if (user == state.users.end()) return Unrecognized();
    call.caller = {Principal::Kind::kUser, access.account, access.user, "", user->second.id};
  }
  auto secret = store.Unseal(access.sealed_secret, access.id);
  if (!secret.ok()) {
    LogError("kms", secret.error().message());
    return InternalFailure();
  }
  return *std::move(secret);
}

AwsResult<SecretBytes> FindSession(const KeyStore& store, const State& state,
                                   const std::string& token, Call& call) {
  auto session = OpenSession(store, token, call.access_key_id);
  if (!session.ok()) return Unrecognized();
  if (session->expires <= call.now || session->issued <= state.sessions_valid_from) {
    return Expired();
  }
  const auto role = state.roles.find({session->account, session->role});
  if (role == state.roles.end() || role->second.id != session->role_id) return Unrecognized();
  call.is_session = true;
  call.caller = {Principal::Kind::kRoleSession, session->account, session->role, session->name,
                 fmt::format("{}:{}", session->role_id, session->name)};
  return std::move(session->secret);
}

}  // namespace

AwsStatus Authenticate(const HttpRequest& request, std::string_view service, const KeyStore& store,
                       Call& call) {
  const auto header = FindHeader(request.headers, "authorization");
  if (!header)
    return AwsFailure{"MissingAuthenticationTokenException", "Missing Authentication Token"};
  const auto presented = ParseSigV4Authorization(*header);
  if (!presented.ok()) return Incomplete(presented.error().message());
  call.access_key_id = presented->access_key_id.substr(0, 128);

  const auto state = store.Read();
  const auto token = FindHeader(request.headers, "x-amz-security-token");
  const SecretBytes secret = AWS_TRY(token ? FindSession(store, *state, *token, call)
                                           : FindLongLivedKey(store, *state, call));
  if (presented->scope.service != service) {
    return BadSignature(
        fmt::format("Credential should be scoped to correct service: '{}'.", service));
  }
  if (!IsRegion(presented->scope.region)) {
    return BadSignature("Credential should be scoped to a valid region.");
  }
  const std::string amz_date = FindHeader(request.headers, "x-amz-date").value_or("");
  AWS_TRY(CheckTime(amz_date, *presented, call.now));
  AWS_TRY(CheckSignedHeaders(request, *presented));
  const SigV4Request signed_request{request.method, request.target, request.headers, request.body};
  const std::string expected = SigV4ExpectedSignature(signed_request, *presented, amz_date, secret);
  if (!ConstantTimeEqual(AsBytes(expected), AsBytes(presented->signature))) {
    return BadSignature(
        "The request signature we calculated does not match the signature you provided. Check "
        "your AWS Secret Access Key and signing method. Consult the service documentation for "
        "details.");
  }
  const auto content_hash = FindHeader(request.headers, "x-amz-content-sha256");
  if (content_hash && *content_hash != HexEncode(Sha256(AsBytes(request.body)))) {
    return BadSignature("The provided 'x-amz-content-sha256' header does not match the body.");
  }
  call.region = presented->scope.region;
  return {};
}

}  // namespace freehold::embedded
