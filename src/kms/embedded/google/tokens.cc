#include "kms/embedded/google/tokens.h"

#include "fmt/format.h"
#include "kms/embedded/query_protocol.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

constexpr std::string_view kPrefix = "ya29.";
constexpr std::string_view kLabel = "google access token";
constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kSkew = 300;

std::int64_t SecondsOf(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
}

std::int64_t NumberIn(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

GoogleResult<Caller> FromAccessToken(std::string_view token, const State& state,
                                     const MasterKey& master, WallTime now) {
  const auto sealed = Base64UrlDecode(token.substr(kPrefix.size()));
  if (!sealed.ok()) return Unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED");
  const auto opened = master.Unseal(*sealed, kLabel);
  if (!opened.ok()) return Unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED");
  const auto text = AsText(opened->ExposeSecret());
  const json::object claims = json::parse({text.data(), text.size()}).get_object();
  if (NumberIn(claims, "until") <= SecondsOf(now)) return Unauthenticated("ACCESS_TOKEN_EXPIRED");
  const std::string email = TextIn(claims, "email");
  const auto account = state.accounts.find(email);
  if (account == state.accounts.end() || account->second.disabled) {
    return Unauthenticated("ACCOUNT_STATE_INVALID");
  }
  return Caller{email, TextIn(claims, "scope")};
}

enum class JwtFault { kNone, kNoToken, kNoAccount, kSignature, kTime };

// Signed by one of the keys of the account that it names, and of now.
JwtFault Judge(std::string_view token, const State& state, WallTime now, Jwt& jwt) {
  auto read = ReadJwtUnverified(token);
  if (!read.ok()) return JwtFault::kNoToken;
  jwt = *std::move(read);
  const auto account = state.accounts.find(TextIn(jwt.claims, "iss"));
  if (account == state.accounts.end() || account->second.disabled) return JwtFault::kNoAccount;
  const auto parts = account->second.keys.find(TextIn(jwt.header, "kid"));
  if (parts == account->second.keys.end()) return JwtFault::kSignature;
  const auto key = RsaKey::FromPublicParts(parts->second.modulus, parts->second.exponent);
  if (!key.ok() || !VerifyJwt(token, *key).ok()) return JwtFault::kSignature;
  const std::int64_t issued = NumberIn(jwt.claims, "iat");
  const std::int64_t until = NumberIn(jwt.claims, "exp");
  const std::int64_t seconds = SecondsOf(now);
  const bool timely =
      issued <= seconds + kSkew && until > seconds && until - issued <= kHour + kSkew;
  return timely ? JwtFault::kNone : JwtFault::kTime;
}

HttpResponse GrantError(DialectCall& call, const char* code, std::string words) {
  call.error_code = code;
  call.error_message = words;
  return {400,
          {{"content-type", "application/json; charset=UTF-8"}},
          json::serialize(json::object{{"error", code}, {"error_description", std::move(words)}})};
}

bool HasScope(const std::string& scopes, std::string_view scope) {
  return (" " + scopes + " ").find(fmt::format(" {} ", scope)) != std::string::npos;
}

}  // namespace

std::string NewAccessToken(const MasterKey& master, const Caller& caller, WallTime until) {
  const std::string claims = json::serialize(
      json::object{{"email", caller.email}, {"scope", caller.scope}, {"until", SecondsOf(until)}});
  const auto sealed = master.Seal(SecretBytes::CopyOf(AsBytes(claims)), kLabel);
  return sealed.ok() ? std::string(kPrefix) + Base64UrlEncode(*sealed) : "";
}

GoogleResult<Caller> Authenticate(const HttpRequest& request, const State& state,
                                  const MasterKey& master, WallTime now) {
  const std::string header = FindHeader(request.headers, "authorization").value_or("");
  if (!header.starts_with("Bearer ")) return Unauthenticated("CREDENTIALS_MISSING");
  const std::string_view token = std::string_view(header).substr(7);
  if (token.starts_with(kPrefix)) return FromAccessToken(token, state, master, now);
  Jwt jwt;
  const JwtFault fault = Judge(token, state, now, jwt);
  if (fault == JwtFault::kTime) return Unauthenticated("ACCESS_TOKEN_EXPIRED");
  if (fault != JwtFault::kNone) return Unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED");
  const std::string scope = TextIn(jwt.claims, "scope");
  if (scope.empty() && TextIn(jwt.claims, "aud").empty()) {
    return Unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED");
  }
  return Caller{TextIn(jwt.claims, "iss"), scope.empty() ? kPlatformScope : scope};
}

HttpResponse AnswerGrant(const HttpRequest& request, const State& state, const MasterKey& master,
                         DialectCall& call) {
  const Form form = Form::Parse(request.body);
  if (form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer") {
    return GrantError(call, "unsupported_grant_type", "Invalid grant_type");
  }
  const std::string assertion = form.Get("assertion");
  Jwt jwt;
  const JwtFault fault = Judge(assertion, state, call.now, jwt);
  if (fault != JwtFault::kNoToken) call.caller = TextIn(jwt.claims, "iss").substr(0, 256);
  switch (fault) {
    case JwtFault::kNone:
      break;
    case JwtFault::kNoToken:
      return GrantError(call, "invalid_request", "Invalid JWT: it cannot be read.");
    case JwtFault::kNoAccount:
      return GrantError(call, "invalid_grant", "Invalid grant: account not found");
    case JwtFault::kSignature:
      return GrantError(call, "invalid_grant", "Invalid JWT Signature.");
    case JwtFault::kTime:
      return GrantError(call, "invalid_grant",
                        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                        "reasonable timeframe. Check your iat and exp values in the JWT claim.");
  }
  const std::string host = FindHeader(request.headers, "host").value_or("");
  const std::string audience = TextIn(jwt.claims, "aud");
  // Some official clients name Google's endpoint whichever they ask.
  if (!audience.ends_with("//" + host + "/token") &&
      audience != "https://oauth2.googleapis.com/token") {
    return GrantError(call, "invalid_grant", "Invalid JWT: Failed audience check.");
  }
  const std::string scope = TextIn(jwt.claims, "scope");
  if (scope.empty()) {
    return GrantError(call, "invalid_scope", "Invalid OAuth scope or ID token audience provided.");
  }
  const std::string token =
      NewAccessToken(master, {call.caller, scope}, call.now + std::chrono::seconds(kHour));
  return {200,
          {{"content-type", "application/json; charset=UTF-8"}},
          json::serialize(json::object{
              {"access_token", token}, {"expires_in", kHour - 1}, {"token_type", "Bearer"}})};
}

Answer GenerateAccessToken(Operation& op) {
  const std::string& name = op.resource();
  const std::string email = name.substr(name.rfind('/') + 1);
  op.call.key = name;
  const auto account = op.state->accounts.find(email);
  if (account == op.state->accounts.end()) {
    return GoogleFailure{404, "NOT_FOUND", "Not found; Gaia id not found for email " + email};
  }
  // "projects/-" stands for whichever project the account is in.
  GOOGLE_TRY(
      op.Authorize("iam.serviceAccounts.getAccessToken",
                   fmt::format("projects/{}/serviceAccounts/{}", account->second.project, email)));
  if (account->second.disabled) return FailedPrecondition("The service account is disabled.");
  std::string scopes;
  if (const auto* list = op.body.if_contains("scope"); list != nullptr && list->is_array()) {
    for (const auto& scope : list->get_array()) {
      if (!scope.is_string()) return InvalidArgument("Invalid value at 'scope'");
      scopes += (scopes.empty() ? "" : " ") + std::string(scope.get_string());
    }
  }
  if (scopes.empty()) return InvalidArgument("Request must specify a non-empty scope.");
  std::int64_t lifetime = GOOGLE_TRY(SecondsIn(op.body, "lifetime"));
  if (lifetime == 0) lifetime = kHour;
  if (lifetime > kHour) {
    return InvalidArgument("The access token lifetime cannot exceed 3600 seconds.");
  }
  const WallTime until = op.call.now + std::chrono::seconds(lifetime);
  const std::string token = NewAccessToken(op.master, {email, scopes}, until);
  return json::object{{"accessToken", token}, {"expireTime", FormatTime(until)}};
}

bool AllowsScope(const std::string& scopes, bool is_kms) {
  return HasScope(scopes, kPlatformScope) ||
         HasScope(scopes, is_kms ? "https://www.googleapis.com/auth/cloudkms"
                                 : "https://www.googleapis.com/auth/iam");
}

}  // namespace freehold::embedded::google
