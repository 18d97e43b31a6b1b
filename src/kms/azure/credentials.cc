#include "kms/azure/credentials.h"

#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "crypto/certificate.h"
#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/azure/classify.h"
#include "kms/service/jwt.h"
#include "kms/service/secret_file.h"

namespace freehold::azure {
namespace {

using Form = std::map<std::string, std::string>;

constexpr std::int64_t kAssertionSeconds = 600;

tl::unexpected<KmsFailure> Ours(std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurCredentials, "Azure credentials", std::move(message)));
}

bool IsTenant(const std::string& text) {
  return !text.empty() && text.size() <= 253 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
             std::string::npos;
}

KmsResult<SecretBytes> SecretIn(const std::string& file) {
  auto secret = ReadSecretFile(file);
  if (!secret.ok()) return Ours(secret.error().message());
  return *std::move(secret);
}

class Application {
 public:
  Application(const VaultPlace& place, const KeyAccess& access, const Surroundings& surroundings)
      : place_(place),
        surroundings_(surroundings),
        client_id_(Get("AZURE_CLIENT_ID")),
        tenant_(access.principal.empty() ? Get("AZURE_TENANT_ID") : access.principal) {}

  KmsResult<AccessToken> Fetch() {
    const std::string secret = Get("AZURE_CLIENT_SECRET");
    const std::string certificate = Get("AZURE_CLIENT_CERTIFICATE_PATH");
    const std::string federated = Get("AZURE_FEDERATED_TOKEN_FILE");
    if (secret.empty() && certificate.empty() && federated.empty()) return FetchOfMachine();
    if (client_id_.empty()) return Ours("AZURE_CLIENT_ID is not set");
    if (!IsTenant(tenant_)) {
      return Ours("no tenant: neither --principal nor AZURE_TENANT_ID names one");
    }
    if (!secret.empty()) return Ask({{"client_secret", secret}});
    if (!certificate.empty()) return WithCertificate(certificate);
    auto token = SecretIn(federated);
    if (!token.has_value()) return tl::unexpected(token.error());
    return WithAssertion(std::string(AsText(token->ExposeSecret())));
  }

 private:
  std::string Get(const std::string& name) const { return surroundings_.Variable(name); }
  std::string TokenUrl() const {
    return fmt::format("{}/{}/oauth2/v2.0/token", place_.authority, tenant_);
  }

  KmsResult<AccessToken> FetchOfMachine() {
    const std::string home = Get("AZURE_TENANT_ID");
    if (!tenant_.empty() && tenant_ != home) {
      return Ours(
          "a managed identity belongs to one tenant and gets no tokens of another: give "
          "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or "
          "AZURE_FEDERATED_TOKEN_FILE of an application that the customer's tenant consented to");
    }
    return FetchManagedIdentityToken(place_, surroundings_);
  }

  KmsResult<AccessToken> WithCertificate(const std::string& path) {
    auto pem = SecretIn(path);
    if (!pem.has_value()) return tl::unexpected(pem.error());
    const auto key = RsaKey::FromPem(*pem);
    if (!key.ok()) return Ours(key.error().Because(path).message());
    const auto thumbprint = CertificateThumbprint(AsText(pem->ExposeSecret()));
    if (!thumbprint.ok()) return Ours(thumbprint.error().Because(path).message());
    const std::int64_t now =
        std::chrono::duration_cast<std::chrono::seconds>(surroundings_.clock->Wall().since_epoch)
            .count();
    const auto assertion = SignJwt(*key, {{"x5t#S256", Base64UrlEncode(*thumbprint)}},
                                   {{"aud", TokenUrl()},
                                    {"iss", client_id_},
                                    {"sub", client_id_},
                                    {"jti", HexEncode(RandomBytes(16))},
                                    {"nbf", now},
                                    {"iat", now},
                                    {"exp", now + kAssertionSeconds}});
    if (!assertion.ok()) return Ours(assertion.error().Because(path).message());
    return WithAssertion(*assertion);
  }

  KmsResult<AccessToken> WithAssertion(std::string assertion) {
    return Ask({{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
                {"client_assertion", std::move(assertion)}});
  }

  KmsResult<AccessToken> Ask(Form form) {
    form["grant_type"] = "client_credentials";
    form["client_id"] = client_id_;
    form["scope"] = place_.audience + "/.default";
    JsonRequest request;
    request.url = TokenUrl();
    request.headers = {{"content-type", "application/x-www-form-urlencoded"},
                       {"accept", "application/json"}};
    request.body = EncodeForm(form);
    request.ca_bundle = place_.ca_bundle;
    auto answer = SendPatiently("Entra token", request, surroundings_);
    WipeMemory(request.body.data(), request.body.size());
    if (!answer.has_value()) return tl::unexpected(answer.error());
    if (!answer->ok()) return tl::unexpected(EntraFailure(*answer));
    return TokenIn("Entra token", *answer, place_);
  }

  const VaultPlace& place_;
  const Surroundings& surroundings_;
  const std::string client_id_;
  const std::string tenant_;
};

}  // namespace

KmsResult<AccessToken> TokenIn(std::string_view operation, JsonAnswer& answer,
                               const VaultPlace& place) {
  auto* value = answer.body.if_contains("access_token");
  if (value == nullptr || !value->is_string() || value->get_string().empty()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kNotUnderstood, operation, "the answer holds no token"));
  }
  boost::json::string& text = value->get_string();
  AccessToken token{SecretBytes::CopyOf(AsBytes({text.data(), text.size()})), place.audience};
  WipeMemory(text.data(), text.size());
  return token;
}

KmsResult<AccessToken> FetchToken(const VaultPlace& place, const KeyAccess& access,
                                  const Surroundings& surroundings) {
  return Application(place, access, surroundings).Fetch();
}

}  // namespace freehold::azure
