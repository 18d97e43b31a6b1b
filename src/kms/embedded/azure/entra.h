// Entra: tokens for applications that a tenant has consented to, and the check of such tokens.
//
// The client credentials flow with a secret or with an assertion signed by a registered
// certificate (RS256); access tokens are JWTs of a key of our own, made when the first is asked
// for. A token goes on working until it ends, whatever happens to its application: as Entra's do.
// Errors: Entra's own answers; AzureFailure where a vault checks. Threads: safe.
// Spec: RFC 6749 4.4, RFC 7523; Microsoft identity platform, "client credentials flow".
#pragma once

#include <mutex>
#include <optional>

#include "crypto/rsa.h"
#include "kms/embedded/azure/client_check.h"
#include "kms/embedded/azure/roles.h"
#include "kms/embedded/dialect.h"
#include "kms/embedded/query_protocol.h"
#include "kms/embedded/state_store.h"

namespace freehold::embedded::azure {

class Entra {
 public:
  Entra(StateStore<State>& store, const MasterKey& master) : store_(store), master_(master) {}

  // POST /{tenant}/oauth2/v2.0/token. `url`: where we are served, "https://127.0.0.1:1".
  HttpResponse GiveToken(const std::string& tenant, const HttpRequest& request,
                         const std::string& url, DialectCall& call);
  // GET /{tenant}/v2.0/.well-known/openid-configuration
  HttpResponse Describe(const std::string& tenant, const std::string& url) const;
  // GET /common/discovery/instance
  HttpResponse DescribeInstances(const std::string& url) const;
  HttpResponse PublicKeys();

  // Whose token this is; 401 unless it is ours, for this service, of this tenant, and valid now.
  AzureResult<Caller> Check(std::string_view token, const std::string& audience,
                            const std::string& tenant, WallTime now);

 private:
  // What is asked for, once it is known to be right.
  struct Grant {
    const Tenant* tenant = nullptr;
    std::string application;
    std::string audience;
  };
  // A refusal, or `grant` filled in. `tenant` as the request has it, in `state`.
  std::optional<Refusal> Judge(const std::string& tenant, const Form& form, const std::string& url,
                               const State& state, WallTime now, Grant& grant) const;
  Result<std::string> NewToken(const Grant& grant, bool by_secret, WallTime now);
  Result<RsaKey> SigningKey();

  StateStore<State>& store_;
  const MasterKey& master_;
  std::mutex mutex_;
  std::optional<RsaKey> signing_key_;
};

// A tenant by id or name; null: none.
const Tenant* FindTenant(const State& state, std::string_view id_or_name);
const Application* FindApplication(const State& state, std::string_view id_or_name);

std::string KeyIdOf(const RsaKey& signing_key);

}  // namespace freehold::embedded::azure
