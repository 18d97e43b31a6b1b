#include "kms/embedded/azure/client_check.h"

#include <boost/json.hpp>

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/embedded/azure/vault_call.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::azure {
namespace {

constexpr std::string_view kSecretLabel = "azure client secret";
constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr auto kTolerance = std::chrono::minutes(5);  // of clocks, as Entra has it

Refusal InvalidClient(int number, std::string words) {
  return {401, "invalid_client", number, std::move(words)};
}

// None: a number that is no time, or no number. Whoever signs must not mean what we do not read.
std::optional<WallTime> TimeIn(const boost::json::object& claims, std::string_view name) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  const std::int64_t seconds = value->get_int64();
  if (seconds < 0 || seconds > 4'000'000'000) return std::nullopt;
  return TimeOf(seconds);
}

bool IsOfNow(const boost::json::object& claims, WallTime now) {
  const auto until = TimeIn(claims, "exp");
  if (!until || *until + kTolerance < now) return false;
  if (!claims.contains("nbf")) return true;
  const auto from = TimeIn(claims, "nbf");
  return from && *from <= now + kTolerance;
}

std::optional<Refusal> CheckSecret(const Application& application, const std::string& secret,
                                   WallTime now, const MasterKey& master) {
  bool expired = false;
  for (const Credential& each : application.credentials) {
    if (each.sealed_secret.empty()) continue;
    const auto known = master.Unseal(each.sealed_secret, kSecretLabel);
    if (!known.ok() || !ConstantTimeEqual(known->ExposeSecret(), AsBytes(secret))) continue;
    if (now < each.expires) return std::nullopt;
    expired = true;
  }
  if (expired) {
    return InvalidClient(
        7000222,
        fmt::format("The provided client secret keys for app '{}' are expired.", application.id));
  }
  return InvalidClient(
      7000215, fmt::format("Invalid client secret provided. Ensure the secret being sent in the "
                           "request is the client secret value, not the client secret ID, for a "
                           "secret added to app '{}'.",
                           application.id));
}

std::optional<Refusal> CheckClaims(const Application& application,
                                   const boost::json::object& claims, const std::string& token_url,
                                   WallTime now) {
  if (TextOf(claims, "iss") != application.id || TextOf(claims, "sub") != application.id) {
    return InvalidClient(700021,
                         "Client assertion application identifier doesn't match 'client_id' "
                         "parameter.");
  }
  if (TextOf(claims, "aud") != token_url) {
    return InvalidClient(700023, "Client assertion audience claim does not match Realm issuer.");
  }
  if (!IsOfNow(claims, now)) {
    return InvalidClient(700024, "Client assertion is not within its valid time range.");
  }
  return std::nullopt;
}

std::optional<Refusal> CheckAssertion(const Application& application, const std::string& assertion,
                                      const std::string& token_url, WallTime now) {
  const auto jwt = ReadJwtUnverified(assertion);
  if (!jwt.ok()) return InvalidClient(50027, "JWT token is invalid or malformed.");
  const std::string thumbprint = TextOf(jwt->header, "x5t#S256");
  for (const Credential& each : application.credentials) {
    if (each.modulus.empty() || each.expires <= now) continue;
    if (!thumbprint.empty() && thumbprint != Base64UrlEncode(each.thumbprint)) continue;
    const auto key = RsaKey::FromPublicParts(each.modulus, each.exponent);
    if (!key.ok() || !VerifyJwt(assertion, *key).ok()) continue;
    return CheckClaims(application, jwt->claims, token_url, now);
  }
  return InvalidClient(700027,
                       "The certificate with identifier used to sign the client assertion is not "
                       "registered on application, or has expired.");
}

}  // namespace

std::optional<Refusal> CheckClient(const Application& application, const ClientProof& proof,
                                   const std::string& token_url, WallTime now,
                                   const MasterKey& master) {
  if (!proof.secret.empty()) return CheckSecret(application, proof.secret, now, master);
  if (proof.assertion_type == kJwtBearer && !proof.assertion.empty()) {
    return CheckAssertion(application, proof.assertion, token_url, now);
  }
  return InvalidClient(7000218,
                       "The request body must contain the following parameter: "
                       "'client_assertion' or 'client_secret'.");
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

}  // namespace freehold::embedded::azure
