#include "kms/embedded/azure/entra.h"

#include <algorithm>
#include <boost/json.hpp>

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/query_protocol.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

constexpr std::int64_t kTokenSeconds = 3599;
constexpr std::string_view kSecretLabel = "azure client secret";
constexpr std::string_view kSigningLabel = "azure token signing key";
constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

std::int64_t Seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
}

HttpResponse Json(int status, const json::object& body) {
  return {status,
          {{"content-type", "application/json; charset=utf-8"}, {"cache-control", "no-store"}},
          json::serialize(body)};
}

std::int64_t NumberIn(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

template <typename Map>
auto FindByIdOrName(const Map& map, std::string_view id_or_name) -> decltype(&map.begin()->second) {
  for (const auto& [id, each] : map) {
    if (id == id_or_name || each.name == id_or_name) return &each;
  }
  return nullptr;
}

}  // namespace

struct Entra::Refusal {
  int status;
  std::string error;  // "invalid_client"
  int number;         // AADSTS
  std::string words;
};

const Tenant* FindTenant(const State& state, std::string_view id_or_name) {
  return FindByIdOrName(state.tenants, id_or_name);
}

const Application* FindApplication(const State& state, std::string_view id_or_name) {
  return FindByIdOrName(state.applications, id_or_name);
}

Result<SecretBytes> SecretOf(const Application& application, const MasterKey& master) {
  for (const Credential& each : application.credentials) {
    if (!each.sealed_secret.empty()) return master.Unseal(each.sealed_secret, kSecretLabel);
  }
  return Error(ErrorCode::kNotFound, application.name + " has no secret");
}

Result<Credential> SealSecret(const SecretBytes& secret, WallTime expires,
                              const MasterKey& master) {
  Credential credential;
  credential.sealed_secret = TRY(master.Seal(secret, kSecretLabel));
  credential.expires = expires;
  return credential;
}

HttpResponse Entra::GiveToken(const std::string& tenant_name, const HttpRequest& request,
                              const std::string& url, DialectCall& call) {
  const Form form = Form::Parse(request.body);
  const auto state = store_.Read();
  const Tenant* tenant = FindTenant(*state, tenant_name);
  const std::string client_id = form.Get("client_id");
  const std::string scope = form.Get("scope");
  std::string audience;
  for (const std::string each : {"https://vault.azure.net", "https://managedhsm.azure.net"}) {
    // Libraries send "openid profile offline_access" beside it.
    if ((" " + scope + " ").find(" " + each + "/.default ") != std::string::npos) audience = each;
  }
  call.caller = Printable(client_id).substr(0, 64);
  call.parameters = {{"tenant", Printable(tenant_name).substr(0, 64)}, {"scope", audience}};

  const auto judge = [&]() -> std::optional<Refusal> {
    if (tenant == nullptr) {
      return Refusal{400, "invalid_request", 90002,
                     fmt::format("Tenant '{}' not found. Check to make sure you have the correct "
                                 "tenant ID and are signing into the correct cloud.",
                                 Printable(tenant_name).substr(0, 64))};
    }
    if (form.Get("grant_type") != "client_credentials") {
      return Refusal{400, "unsupported_grant_type", 70003, "The app requested an unsupported grant "
                                                           "type."};
    }
    const auto application = state->applications.find(client_id);
    if (application == state->applications.end() || !tenant->principals.contains(client_id)) {
      return Refusal{400, "unauthorized_client", 700016,
                     fmt::format("Application with identifier '{}' was not found in the directory "
                                 "'{}'. This can happen if the application has not been installed "
                                 "by the administrator of the tenant or consented to by any user "
                                 "in the tenant.",
                                 Printable(client_id).substr(0, 64), tenant->name)};
    }
    const std::string token_url = fmt::format("{}/{}/oauth2/v2.0/token", url, tenant_name);
    if (auto refusal = CheckClient(application->second, request, token_url, call.now)) {
      return refusal;
    }
    if (audience.empty()) {
      return Refusal{400, "invalid_resource", 500011,
                     "The resource principal of the scope was not found in the tenant."};
    }
    return std::nullopt;
  };
  if (const auto refusal = judge()) {
    call.error_code = fmt::format("AADSTS{}", refusal->number);
    call.error_message = refusal->words;
    return Json(refusal->status,
                {{"error", refusal->error},
                 {"error_description",
                  fmt::format("{}: {} Trace ID: {} Correlation ID: {} Timestamp: {}",
                              call.error_code, refusal->words, call.request_id, call.request_id,
                              FormatTime(call.now))},
                 {"error_codes", json::array{refusal->number}},
                 {"timestamp", FormatTime(call.now)},
                 {"trace_id", call.request_id},
                 {"correlation_id", call.request_id},
                 {"error_uri", fmt::format("{}/error?code={}", url, refusal->number)}});
  }
  const auto key = SigningKey();
  if (!key.ok()) return Json(500, {{"error", "server_error"}});
  const std::string& object_id = tenant->principals.at(client_id);
  const std::int64_t now = Seconds(call.now);
  const auto token =
      SignJwt(*key, {{"kid", Base64UrlEncode(Sha256(key->PublicDer()))}},
              {{"aud", audience},
               {"iss", fmt::format("https://sts.windows.net/{}/", tenant->id)},
               {"iat", now},
               {"nbf", now},
               {"exp", now + kTokenSeconds},
               {"appid", client_id},
               {"appidacr", form.Has("client_secret") ? "1" : "2"},
               {"oid", object_id},
               {"sub", object_id},
               {"tid", tenant->id},
               {"uti", NewUuid()},
               {"ver", "1.0"}});
  if (!token.ok()) return Json(500, {{"error", "server_error"}});
  return Json(200, {{"token_type", "Bearer"},
                    {"expires_in", kTokenSeconds},
                    {"ext_expires_in", kTokenSeconds},
                    {"access_token", *token}});
}

std::optional<Entra::Refusal> Entra::CheckClient(const Application& application,
                                                 const HttpRequest& request,
                                                 const std::string& token_url,
                                                 WallTime now) const {
  const Form form = Form::Parse(request.body);
  const std::string secret = form.Get("client_secret");
  if (!secret.empty()) {
    bool expired = false;
    for (const Credential& each : application.credentials) {
      if (each.sealed_secret.empty()) continue;
      const auto known = master_.Unseal(each.sealed_secret, kSecretLabel);
      if (!known.ok() || !ConstantTimeEqual(known->ExposeSecret(), AsBytes(secret))) continue;
      if (now < each.expires) return std::nullopt;
      expired = true;
    }
    if (expired) {
      return Refusal{401, "invalid_client", 7000222,
                     fmt::format("The provided client secret keys for app '{}' are expired.",
                                 application.id)};
    }
    return Refusal{401, "invalid_client", 7000215,
                   fmt::format("Invalid client secret provided. Ensure the secret being sent in "
                               "the request is the client secret value, not the client secret ID, "
                               "for a secret added to app '{}'.",
                               application.id)};
  }
  const std::string assertion = form.Get("client_assertion");
  const auto jwt = ReadJwtUnverified(assertion);
  if (form.Get("client_assertion_type") != kJwtBearer || !jwt.ok()) {
    return Refusal{401, "invalid_client", 7000218,
                   "The request body must contain the following parameter: 'client_assertion' or "
                   "'client_secret'."};
  }
  const std::string thumbprint = TextOf(jwt->header, "x5t#S256");
  for (const Credential& each : application.credentials) {
    if (each.modulus.empty()) continue;
    if (!thumbprint.empty() && thumbprint != Base64UrlEncode(each.thumbprint)) continue;
    const auto key = RsaKey::FromPublicParts(each.modulus, each.exponent);
    if (!key.ok() || !VerifyJwt(assertion, *key).ok() || each.expires <= now) continue;
    const std::int64_t seconds = Seconds(now);
    if (TextOf(jwt->claims, "iss") != application.id ||
        TextOf(jwt->claims, "sub") != application.id) {
      return Refusal{401, "invalid_client", 700021, "Client assertion application identifier "
                                                    "doesn't match 'client_id' parameter."};
    }
    if (TextOf(jwt->claims, "aud") != token_url) {
      return Refusal{401, "invalid_client", 700023,
                     "Client assertion audience claim does not match Realm issuer."};
    }
    // Entra allows five minutes either way.
    if (NumberIn(jwt->claims, "exp") + 300 < seconds ||
        NumberIn(jwt->claims, "nbf") > seconds + 300) {
      return Refusal{401, "invalid_client", 700024,
                     "Client assertion is not within its valid time range."};
    }
    return std::nullopt;
  }
  return Refusal{401, "invalid_client", 700027,
                 "The certificate with identifier used to sign the client assertion is not "
                 "registered on application, or has expired."};
}

HttpResponse Entra::Describe(const std::string& tenant_name, const std::string& url) const {
  const auto state = store_.Read();
  const Tenant* tenant = FindTenant(*state, tenant_name);
  if (tenant == nullptr) return Json(400, {{"error", "invalid_tenant"}});
  const std::string base = fmt::format("{}/{}", url, tenant->id);
  return Json(200, {{"token_endpoint", base + "/oauth2/v2.0/token"},
                    {"token_endpoint_auth_methods_supported",
                     {"client_secret_post", "private_key_jwt", "client_secret_basic"}},
                    {"jwks_uri", base + "/discovery/v2.0/keys"},
                    {"response_types_supported", {"code", "id_token", "token"}},
                    {"subject_types_supported", json::array{"pairwise"}},
                    {"id_token_signing_alg_values_supported", json::array{"RS256"}},
                    {"scopes_supported", {"openid", "profile", "email", "offline_access"}},
                    {"issuer", base + "/v2.0"},
                    {"authorization_endpoint", base + "/oauth2/v2.0/authorize"},
                    {"end_session_endpoint", base + "/oauth2/v2.0/logout"},
                    {"tenant_region_scope", nullptr}});
}

HttpResponse Entra::DescribeInstances(const std::string& url) const {
  const std::string host = url.substr(url.find("://") + 3);
  return Json(200,
              {{"tenant_discovery_endpoint", url + "/common/v2.0/.well-known/openid-configuration"},
               {"api-version", "1.1"},
               {"metadata", json::array{json::object{{"preferred_network", host},
                                                     {"preferred_cache", host},
                                                     {"aliases", json::array{host}}}}}});
}

HttpResponse Entra::PublicKeys() {
  const auto key = SigningKey();
  if (!key.ok()) return Json(500, {{"error", "server_error"}});
  return Json(200, {{"keys", json::array{json::object{
                                 {"kty", "RSA"},
                                 {"use", "sig"},
                                 {"kid", Base64UrlEncode(Sha256(key->PublicDer()))},
                                 {"n", Base64UrlEncode(key->Modulus())},
                                 {"e", Base64UrlEncode(key->Exponent())}}}}});
}

AzureResult<Caller> Entra::Check(std::string_view token, const std::string& audience,
                                 const std::string& tenant, WallTime now) {
  const RsaKey key = AZURE_TRY(SigningKey());
  if (!VerifyJwt(token, key).ok()) {
    return Unauthorized("AKV10046: Unable to resolve the key used for signature validation.");
  }
  const auto jwt = ReadJwtUnverified(token);
  if (!jwt.ok()) return Unauthorized("AKV10000: Request is missing a Bearer or PoP token.");
  const json::object& claims = jwt->claims;
  if (TextOf(claims, "aud") != audience) {
    return Unauthorized(fmt::format("AKV10022: Invalid audience. Expected {}, found: {}.", audience,
                                    TextOf(claims, "aud")));
  }
  if (TextOf(claims, "tid") != tenant) {
    return Unauthorized(fmt::format(
        "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{}/, found {}.", tenant,
        TextOf(claims, "iss")));
  }
  if (NumberIn(claims, "exp") <= Seconds(now) || NumberIn(claims, "nbf") > Seconds(now) + 300) {
    return Unauthorized("AKV10044: Token is expired or not valid yet.");
  }
  return Caller{TextOf(claims, "appid"), TextOf(claims, "oid"), TextOf(claims, "tid")};
}

Result<RsaKey> Entra::SigningKey() {
  const std::lock_guard lock(mutex_);
  if (signing_key_) return *signing_key_;
  Bytes sealed = store_.Read()->sealed_signing_key;
  if (sealed.empty()) {
    const RsaKey made = TRY(RsaKey::Generate(2048));
    sealed = TRY(master_.Seal(made.PrivatePem(), kSigningLabel));
    TRY(store_.Update<Status>(
        [&](State& state) -> Status {
          state.sealed_signing_key = sealed;
          return {};
        },
        [](const Error& error) -> Status { return error; }));
  }
  signing_key_ = TRY(RsaKey::FromPem(TRY(master_.Unseal(sealed, kSigningLabel))));
  return *signing_key_;
}

}  // namespace freehold::embedded::azure
