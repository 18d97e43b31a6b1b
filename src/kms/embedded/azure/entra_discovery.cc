// Where clients learn of Entra's addresses and keys (OpenID Connect Discovery 1.0).
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/embedded/azure/entra.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

HttpResponse Json(int status, const json::object& body) {
  return {status, {{"content-type", "application/json; charset=utf-8"}}, json::serialize(body)};
}

}  // namespace

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
  return Json(200, {{"keys", json::array{json::object{{"kty", "RSA"},
                                                      {"use", "sig"},
                                                      {"kid", KeyIdOf(*key)},
                                                      {"n", Base64UrlEncode(key->Modulus())},
                                                      {"e", Base64UrlEncode(key->Exponent())}}}}});
}

}  // namespace freehold::embedded::azure
