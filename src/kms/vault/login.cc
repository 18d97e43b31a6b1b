#include "kms/vault/login.h"

#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "fmt/format.h"
#include "kms/service/jwt.h"
#include "kms/service/secret_file.h"
#include "kms/vault/classify.h"

namespace freehold::vault {
namespace {

namespace json = boost::json;

constexpr const char* kServiceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

tl::unexpected<KmsFailure> Ours(std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurCredentials, "Vault credentials", std::move(message)));
}

KmsResult<SecretBytes> SecretIn(const std::string& file) {
  auto secret = ReadSecretFile(file);
  if (!secret.ok()) return Ours(secret.error().message());
  return *std::move(secret);
}

class LoginAttempt {
 public:
  LoginAttempt(const VaultClient& client, const KeyAccess& access, const Surroundings& surroundings)
      : client_(client), access_(access), surroundings_(surroundings) {}

  KmsResult<Session> Run() {
    const std::string method = Method();
    if (method == "token") return WithToken();
    if (method == "approle") return WithAppRole();
    if (method == "jwt" || method == "kubernetes") return WithJwt(method);
    if (!method.empty()) {
      return Ours(fmt::format("FREEHOLD_VAULT_AUTH={} is none of token, approle, jwt, kubernetes",
                              Printable(method)));
    }
    return Ours(
        "none configured (looked at VAULT_TOKEN, FREEHOLD_VAULT_TOKEN_FILE, VAULT_ROLE_ID, "
        "FREEHOLD_VAULT_JWT_FILE)");
  }

 private:
  std::string Get(const std::string& name) const { return surroundings_.Variable(name); }

  std::string Method() const {
    if (const std::string named = Get("FREEHOLD_VAULT_AUTH"); !named.empty()) return named;
    if (!Get("VAULT_TOKEN").empty() || !Get("FREEHOLD_VAULT_TOKEN_FILE").empty()) return "token";
    if (!Get("VAULT_ROLE_ID").empty()) return "approle";
    if (!Get("FREEHOLD_VAULT_JWT_FILE").empty()) return "jwt";
    return "";
  }

  KmsResult<Session> WithToken() {
    if (!access_.principal.empty()) {
      return Ours("--principal names a role, and VAULT_TOKEN logs in to none");
    }
    SecretBytes token = SecretBytes::CopyOf(AsBytes(Get("VAULT_TOKEN")));
    if (const std::string file = Get("FREEHOLD_VAULT_TOKEN_FILE"); !file.empty()) {
      auto read = SecretIn(file);
      if (!read.has_value()) return tl::unexpected(read.error());
      token = std::move(*read);
    }
    if (token.empty()) return Ours("VAULT_TOKEN is not set");
    // Renewing tells a token that has ended, which is our trouble, from a policy that was changed.
    // One that cannot be renewed says so with 400 and is good until it ends.
    const json::object nothing;
    auto renewed = Ask("auth/token/renew-self", nothing, token);
    if (!renewed.has_value()) return tl::unexpected(renewed.error());
    if (renewed->status == 403) {
      auto looked_up = client_.Ask("lookup-self", "auth/token/lookup-self", nullptr, token,
                                   LoginNamespace(access_, surroundings_));
      if (!looked_up.has_value()) return tl::unexpected(looked_up.error());
      if (looked_up->status == 403) return Session{std::move(token), false, false};
    }
    if (renewed->status >= 500 || renewed->status == 429) {
      return tl::unexpected(LoginFailure(*renewed));
    }
    return Session{std::move(token), false};
  }

  KmsResult<Session> WithAppRole() {
    const std::string role_id = Get("VAULT_ROLE_ID");
    if (role_id.empty()) return Ours("VAULT_ROLE_ID is not set");
    json::object body{{"role_id", role_id}};
    if (const std::string file = Get("FREEHOLD_VAULT_SECRET_ID_FILE"); !file.empty()) {
      auto secret = SecretIn(file);
      if (!secret.has_value()) return tl::unexpected(secret.error());
      body["secret_id"] = AsText(secret->ExposeSecret());
    } else if (const std::string secret_id = Get("VAULT_SECRET_ID"); !secret_id.empty()) {
      body["secret_id"] = secret_id;
    }
    return LogInAt("approle", body);
  }

  KmsResult<Session> WithJwt(const std::string& method) {
    if (access_.principal.empty()) return Ours("--principal must name the role to log in to");
    std::string file = Get("FREEHOLD_VAULT_JWT_FILE");
    if (file.empty() && method == "kubernetes") file = kServiceAccountToken;
    if (file.empty()) return Ours("FREEHOLD_VAULT_JWT_FILE is not set");
    auto jwt = SecretIn(file);
    if (!jwt.has_value()) return tl::unexpected(jwt.error());
    if (Expired(AsText(jwt->ExposeSecret()))) return Ours("the token in " + file + " has expired");
    return LogInAt(method, {{"role", access_.principal}, {"jwt", AsText(jwt->ExposeSecret())}});
  }

  // Kubernetes' reviewers answer to an expired token as to a role that is gone: we look first.
  bool Expired(std::string_view token) const {
    const auto jwt = ReadJwtUnverified(token);
    const auto* end = jwt.ok() ? jwt->claims.if_contains("exp") : nullptr;
    if (end == nullptr || !end->is_int64()) return false;
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(surroundings_.clock->Wall().since_epoch);
    return end->get_int64() <= now.count();
  }

  KmsResult<Session> LogInAt(const std::string& method, const json::object& body) {
    std::string mount = Get("FREEHOLD_VAULT_AUTH_MOUNT");
    if (mount.empty()) mount = method;
    auto answer = Ask(fmt::format("auth/{}/login", mount), body, SecretBytes());
    if (!answer.has_value()) return tl::unexpected(answer.error());
    if (!answer->ok()) return tl::unexpected(LoginFailure(*answer));
    const json::object& auth = ObjectOf(answer->body, "auth");
    std::string token = TextOf(auth, "client_token");
    Session session{SecretBytes::CopyOf(AsBytes(token)), TextOf(auth, "token_type") != "batch"};
    WipeMemory(token.data(), token.size());
    if (session.token.empty()) {
      return tl::unexpected(
          OwnFailure(KmsMeaning::kNotUnderstood, "login", "the answer holds no token"));
    }
    return session;
  }

  KmsResult<JsonAnswer> Ask(const std::string& path, const json::object& body,
                            const SecretBytes& token) const {
    return client_.Ask("login", path, &body, token, LoginNamespace(access_, surroundings_));
  }

  const VaultClient& client_;
  const KeyAccess& access_;
  const Surroundings& surroundings_;
};

}  // namespace

std::string LoginNamespace(const KeyAccess& access, const Surroundings& surroundings) {
  const std::string configured = surroundings.Variable("VAULT_NAMESPACE");
  return configured.empty() ? access.uri.vault().name_space : configured;
}

KmsResult<Session> LogIn(const VaultClient& client, const KeyAccess& access,
                         const Surroundings& surroundings) {
  return LoginAttempt(client, access, surroundings).Run();
}

void LogOut(const VaultClient& client, const Session& session, const std::string& name_space) {
  if (!session.is_ours_to_revoke) return;
  const json::object nothing;
  [[maybe_unused]] const auto answer = client.Hurried().Ask("revoke-self", "auth/token/revoke-self",
                                                            &nothing, session.token, name_space);
}

}  // namespace freehold::vault
