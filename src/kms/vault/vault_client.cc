#include "kms/vault/vault_client.h"

#include <boost/json.hpp>

#include "fmt/format.h"

namespace freehold::vault {
namespace {

tl::unexpected<KmsFailure> Misconfigured(std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurConfiguration, "Vault configuration", std::move(message)));
}

bool IsOutage(int status) {
  return status >= 500 || status == 429 || status == 472 || status == 473;
}

}  // namespace

KmsResult<VaultClient> VaultClient::For(const VaultKeyPath& key, const Surroundings& surroundings) {
  const std::string address = surroundings.Variable("VAULT_ADDR");
  if (address.empty()) return Misconfigured("VAULT_ADDR is not set");
  const auto url = HttpUrl::Parse(address);
  if (!url.ok()) return Misconfigured("VAULT_ADDR: " + url.error().message());
  const bool has_port = url->authority.rfind(':') != std::string::npos &&
                        url->authority.rfind(':') > url->authority.rfind(']') + 1;
  // Without a port a URL means 443, the key's URI 8200, as Vault's own tools have it.
  std::string authority = has_port ? url->authority : url->authority + ":443";
  if (const auto any = KeyUri::Parse(fmt::format("hcvault://{}/any/keys/any", authority));
      any.ok() && any->type() == KmsType::kHashicorpVault) {
    authority = any->vault().authority;  // in the spelling of key URIs
  }
  if (authority != key.authority) {
    return Misconfigured(fmt::format(
        "the key is at {}, and VAULT_ADDR allows {} only: no token is sent anywhere else",
        key.authority, authority));
  }
  return VaultClient(url->origin, surroundings.Variable("VAULT_CACERT"), surroundings);
}

VaultClient VaultClient::Hurried() const {
  VaultClient hurried = *this;
  hurried.surroundings_.timeouts = {std::chrono::seconds(1), std::chrono::seconds(1), 1};
  return hurried;
}

KmsResult<JsonAnswer> VaultClient::Ask(std::string_view operation, const std::string& path,
                                       const boost::json::object* body, const SecretBytes& token,
                                       const std::string& name_space) const {
  JsonRequest request;
  request.method = body == nullptr ? "GET" : "POST";
  request.url = url_ + "/v1/" + path;
  request.ca_bundle = ca_bundle_;
  request.headers = {{"x-vault-request", "true"}};
  if (!token.empty()) {
    request.headers.emplace_back("x-vault-token", std::string(AsText(token.ExposeSecret())));
  }
  if (!name_space.empty()) request.headers.emplace_back("x-vault-namespace", name_space);
  if (body != nullptr) {
    request.headers.emplace_back("content-type", "application/json");
    request.body = boost::json::serialize(*body);
  }
  // A second try for what a moment may mend; its last answer is the one that is judged.
  for (int next = 2;; ++next) {
    auto answer = SendJson(operation, request, surroundings_);
    const bool again = answer.has_value() ? IsOutage(answer->status)
                                          : answer.error().kms_class == KmsClass::kUnreachable;
    if (!again || next > surroundings_.timeouts.tries) return answer;
    surroundings_.pause(PauseBefore(next));
  }
}

}  // namespace freehold::vault
