#include "kms/embedded/azure/entra.h"

#include <boost/json.hpp>

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/embedded/azure/vault_call.h"
#include "kms/embedded/ids.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

constexpr std::int64_t kTokenSeconds = 3599;
constexpr std::string_view kSigningLabel = "azure token signing key";

HttpResponse Json(int status, const json::object& body) {
  return {status,
          {{"content-type", "application/json; charset=utf-8"}, {"cache-control", "no-store"}},
          json::serialize(body)};
}

HttpResponse Render(const Refusal& refusal, const std::string& url, const DialectCall& call) {
  const std::string code = fmt::format("AADSTS{}", refusal.number);
  return Json(refusal.status,
              {{"error", refusal.error},
               {"error_description",
                fmt::format("{}: {} Trace ID: {} Correlation ID: {} Timestamp: {}", code,
                            refusal.words, call.request_id, call.request_id, FormatTime(call.now))},
               {"error_codes", json::array{refusal.number}},
               {"timestamp", FormatTime(call.now)},
               {"trace_id", call.request_id},
               {"correlation_id", call.request_id},
               {"error_uri", fmt::format("{}/error?code={}", url, refusal.number)}});
}

// "" for a scope that is neither of ours. Libraries send "openid profile" and the like beside it.
std::string AudienceIn(const std::string& scope) {
  for (const std::string each : {"https://vault.azure.net", "https://managedhsm.azure.net"}) {
    if ((" " + scope + " ").find(" " + each + "/.default ") != std::string::npos) return each;
  }
  return "";
}

std::string Shown(const std::string& text) { return Printable(text).substr(0, 64); }

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

const Tenant* FindTenant(const State& state, std::string_view id_or_name) {
  return FindByIdOrName(state.tenants, id_or_name);
}

const Application* FindApplication(const State& state, std::string_view id_or_name) {
  return FindByIdOrName(state.applications, id_or_name);
}

std::string KeyIdOf(const RsaKey& signing_key) {
  return Base64UrlEncode(Sha256(signing_key.PublicDer()));
}

HttpResponse Entra::GiveToken(const std::string& tenant, const HttpRequest& request,
                              const std::string& url, DialectCall& call) {
  const Form form = Form::Parse(request.body);
  const auto state = store_.Read();
  Grant grant;
  const auto refusal = Judge(tenant, form, url, *state, call.now, grant);
  call.caller = Shown(form.Get("client_id"));
  call.parameters = {{"tenant", Shown(tenant)}, {"scope", grant.audience}};
  if (refusal) {
    call.error_code = fmt::format("AADSTS{}", refusal->number);
    call.error_message = refusal->words;
    return Render(*refusal, url, call);
  }
  const auto token = NewToken(grant, form.Has("client_secret"), call.now);
  if (!token.ok()) return Json(500, {{"error", "server_error"}});
  return Json(200, {{"token_type", "Bearer"},
                    {"expires_in", kTokenSeconds},
                    {"ext_expires_in", kTokenSeconds},
                    {"access_token", *token}});
}

std::optional<Refusal> Entra::Judge(const std::string& tenant, const Form& form,
                                    const std::string& url, const State& state, WallTime now,
                                    Grant& grant) const {
  grant.tenant = FindTenant(state, tenant);
  grant.application = form.Get("client_id");
  grant.audience = AudienceIn(form.Get("scope"));
  if (grant.tenant == nullptr) {
    return Refusal{400, "invalid_request", 90002,
                   fmt::format("Tenant '{}' not found. Check to make sure you have the correct "
                               "tenant ID and are signing into the correct cloud.",
                               Shown(tenant))};
  }
  if (form.Get("grant_type") != "client_credentials") {
    return Refusal{400, "unsupported_grant_type", 70003,
                   "The app requested an unsupported grant type."};
  }
  const auto application = state.applications.find(grant.application);
  if (application == state.applications.end() ||
      !grant.tenant->principals.contains(grant.application)) {
    return Refusal{400, "unauthorized_client", 700016,
                   fmt::format("Application with identifier '{}' was not found in the directory "
                               "'{}'. This can happen if the application has not been installed by "
                               "the administrator of the tenant or consented to by any user in the "
                               "tenant.",
                               Shown(grant.application), grant.tenant->name)};
  }
  const ClientProof proof{form.Get("client_secret"), form.Get("client_assertion_type"),
                          form.Get("client_assertion")};
  const std::string token_url = fmt::format("{}/{}/oauth2/v2.0/token", url, tenant);
  if (auto refusal = CheckClient(application->second, proof, token_url, now, master_)) {
    return refusal;
  }
  if (!grant.audience.empty()) return std::nullopt;
  return Refusal{400, "invalid_resource", 500011,
                 "The resource principal of the scope was not found in the tenant."};
}

Result<std::string> Entra::NewToken(const Grant& grant, bool by_secret, WallTime now) {
  const RsaKey key = TRY(SigningKey());
  const std::string& object_id = grant.tenant->principals.at(grant.application);
  const std::int64_t seconds = SecondsOf(now);
  return SignJwt(key, {{"kid", KeyIdOf(key)}},
                 {{"aud", grant.audience},
                  {"iss", fmt::format("https://sts.windows.net/{}/", grant.tenant->id)},
                  {"iat", seconds},
                  {"nbf", seconds},
                  {"exp", seconds + kTokenSeconds},
                  {"appid", grant.application},
                  {"appidacr", by_secret ? "1" : "2"},
                  {"oid", object_id},
                  {"sub", object_id},
                  {"tid", grant.tenant->id},
                  {"uti", NewUuid()},
                  {"ver", "1.0"}});
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
  if (NumberIn(claims, "exp") <= SecondsOf(now) || NumberIn(claims, "nbf") > SecondsOf(now) + 300) {
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
