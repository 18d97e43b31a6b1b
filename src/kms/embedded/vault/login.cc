// auth/: tokens, AppRole and JWT logins, and their administration.
#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/vault/operation.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr const char* kBadAppRole = "invalid role or secret ID";

std::int64_t Seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
}

json::object Describe(const Token& token, WallTime now) {
  json::array policies;
  for (const std::string& policy : token.policies) policies.emplace_back(policy);
  const auto left = token.expires.has_value()
                        ? std::chrono::duration_cast<std::chrono::seconds>(*token.expires - now)
                        : std::chrono::seconds(0);
  return {{"accessor", token.accessor},
          {"display_name", token.display_name},
          {"policies", std::move(policies)},
          {"ttl", left.count()},
          {"creation_ttl", token.ttl_seconds},
          {"explicit_max_ttl", token.max_ttl_seconds},
          {"creation_time", Seconds(token.created)},
          {"renewable", token.renewable},
          {"type", token.is_batch ? "batch" : "service"},
          {"orphan", true},
          {"path", "auth/" + token.display_name}};
}

VaultAnswer RenewSelf(const Operation& op) {
  json::object auth;
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    const auto found = state.tokens.find(op.token_digest);
    if (found == state.tokens.end()) return VaultFailure{403, "permission denied"};
    Token& token = found->second;
    if (!token.renewable) return VaultFailure{400, "lease is not renewable"};
    WallTime expires = op.call.now + std::chrono::seconds(token.ttl_seconds);
    if (token.max_ttl_seconds > 0) {
      expires = std::min(expires, token.created + std::chrono::seconds(token.max_ttl_seconds));
    }
    token.expires = expires;
    auth = {{"lease_duration",
             std::chrono::duration_cast<std::chrono::seconds>(expires - op.call.now).count()},
            {"accessor", token.accessor},
            {"renewable", true}};
    return {};
  }));
  return json::object{{"auth", std::move(auth)}};
}

VaultAnswer Revoke(const Operation& op, const std::string& digest) {
  const auto found = op.state->tokens.find(digest);
  if (found != op.state->tokens.end() && found->second.is_batch) {
    return VaultFailure{400, "batch tokens cannot be revoked"};
  }
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    state.tokens.erase(digest);
    return {};
  }));
  return json::object();
}

// What a child may have, of the token that asks for it.
VaultResult<std::vector<std::string>> PoliciesOfChild(const Operation& op) {
  const auto parent = op.state->tokens.find(op.token_digest);
  if (parent == op.state->tokens.end()) return VaultFailure{403, "permission denied"};
  if (parent->second.is_batch) {
    return VaultFailure{400, "batch tokens cannot create more tokens"};
  }
  const std::vector<std::string>& own = parent->second.policies;
  const auto is_own = [&own](const std::string& name) {
    return std::find(own.begin(), own.end(), name) != own.end();
  };
  const auto wanted = op.body.contains("policies") ? NamesOf(op.body, "policies") : own;
  if (is_own("root")) return wanted;
  // A policy of that name in another namespace is another policy.
  const bool same_place = parent->second.name_space == op.name_space;
  if (same_place && std::all_of(wanted.begin(), wanted.end(), is_own)) return wanted;
  return VaultFailure{400, "child policies must be subset of parent"};
}

VaultAnswer CreateToken(const Operation& op) {
  LoginRole role;
  role.policies = VAULT_TRY(PoliciesOfChild(op));
  role.ttl_seconds = VAULT_TRY(SecondsOf(op.body, "ttl", 2764800));
  role.max_ttl_seconds = VAULT_TRY(SecondsOf(op.body, "explicit_max_ttl", 0));
  role.is_batch = TextOf(op.body, "type") == "batch";
  const std::string name = TextOf(op.body, "display_name");
  auto issued = IssueToken(op, role, name.empty() ? "token" : "token-" + name);
  if (!issued.ok() || BoolOf(op.body, "renewable", true)) return issued;
  const std::string digest = DigestOf(TextOf(ObjectOf(*issued, "auth"), "client_token"));
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    const auto token = state.tokens.find(digest);
    if (token != state.tokens.end()) token->second.renewable = false;
    return {};
  }));
  (*issued)["auth"].as_object()["renewable"] = false;
  return issued;
}

VaultAnswer RunToken(const Operation& op, const std::string& what) {
  if (what == "lookup-self" && op.method == "GET") {
    return json::object{{"data", Describe(op.state->tokens.at(op.token_digest), op.call.now)}};
  }
  if (op.method != "POST") return VaultFailure{405, "unsupported operation"};
  if (what == "renew-self") return RenewSelf(op);
  if (what == "revoke-self") return Revoke(op, op.token_digest);
  if (what == "revoke") return Revoke(op, DigestOf(TextOf(op.body, "token")));
  if (what == "create") return CreateToken(op);
  return NoRoute(op);
}

VaultAnswer WriteRole(const Operation& op, const std::string& id) {
  const auto change = [&](VaultState& state) -> VaultStatus {
    LoginRole& role = state.roles[id];
    if (role.role_id.empty()) role.role_id = NewUuid();
    for (const std::string_view name : {"policies", "token_policies"}) {
      if (op.body.contains(name)) role.policies = NamesOf(op.body, name);
    }
    role.ttl_seconds = VAULT_TRY(SecondsOf(op.body, "token_ttl", role.ttl_seconds));
    role.max_ttl_seconds = VAULT_TRY(SecondsOf(op.body, "token_max_ttl", role.max_ttl_seconds));
    role.secret_id_ttl_seconds =
        VAULT_TRY(SecondsOf(op.body, "secret_id_ttl", role.secret_id_ttl_seconds));
    const int uses = static_cast<int>(role.secret_id_uses);
    role.secret_id_uses = VAULT_TRY(CountOf(op.body, "secret_id_num_uses", uses));
    if (op.body.contains("token_type")) role.is_batch = TextOf(op.body, "token_type") == "batch";
    if (op.body.contains("bound_audiences")) {
      role.bound_audiences = NamesOf(op.body, "bound_audiences");
    }
    if (op.body.contains("bound_subject")) role.bound_subject = TextOf(op.body, "bound_subject");
    return {};
  };
  VAULT_TRY(op.Update(change));
  return json::object();
}

VaultAnswer ReadRole(const Operation& op, const std::string& id) {
  const auto found = op.state->roles.find(id);
  if (found == op.state->roles.end()) return VaultFailure{404, ""};
  json::array policies;
  for (const std::string& policy : found->second.policies) policies.emplace_back(policy);
  return json::object{{"data",
                       {{"token_policies", std::move(policies)},
                        {"token_ttl", found->second.ttl_seconds},
                        {"token_max_ttl", found->second.max_ttl_seconds},
                        {"secret_id_ttl", found->second.secret_id_ttl_seconds},
                        {"secret_id_num_uses", found->second.secret_id_uses},
                        {"token_type", found->second.is_batch ? "batch" : "service"}}}};
}

VaultAnswer NewSecretId(const Operation& op, const std::string& id) {
  const std::string secret_id = NewUuid();
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    const auto found = state.roles.find(id);
    if (found == state.roles.end()) return VaultFailure{400, "role not found"};
    LoginRole& role = found->second;
    SecretId& one = role.secret_ids[DigestOf(secret_id)];
    one.uses_left = role.secret_id_uses;
    if (role.secret_id_ttl_seconds > 0) {
      one.expires = op.call.now + std::chrono::seconds(role.secret_id_ttl_seconds);
    }
    return {};
  }));
  return json::object{{"data", {{"secret_id", secret_id}, {"secret_id_accessor", NewUuid()}}}};
}

VaultAnswer LogInWithAppRole(const Operation& op, const std::string& mount) {
  const std::string role_id = TextOf(op.body, "role_id");
  const std::string digest = DigestOf(TextOf(op.body, "secret_id"));
  const std::string prefix = mount + "/";
  for (const auto& entry : op.state->roles) {
    const std::string& id = entry.first;
    const LoginRole& role = entry.second;
    if (!id.starts_with(prefix) || role.role_id != role_id) continue;
    VAULT_TRY(op.Update([&id, &digest, &op](VaultState& state) -> VaultStatus {
      const auto found = state.roles.find(id);
      if (found == state.roles.end()) return VaultFailure{400, kBadAppRole};
      auto& secret_ids = found->second.secret_ids;
      const auto one = secret_ids.find(digest);
      if (one == secret_ids.end()) return VaultFailure{400, kBadAppRole};
      if (one->second.expires.has_value() && *one->second.expires <= op.call.now) {
        return VaultFailure{400, kBadAppRole};
      }
      if (one->second.uses_left == 1) {
        secret_ids.erase(one);
      } else if (one->second.uses_left > 1) {
        --one->second.uses_left;
      }
      return {};
    }));
    op.call.caller = "approle/" + id.substr(prefix.size());
    return IssueToken(op, role, "approle");
  }
  return VaultFailure{400, kBadAppRole};
}

// A claim that is there is to be understood: one that was passed over would not bind.
VaultResult<std::optional<std::int64_t>> TimeClaim(const json::object& claims,
                                                   std::string_view name) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr) return std::optional<std::int64_t>();
  constexpr std::int64_t kFar = 100'000'000'000;
  if (value->is_int64() && value->get_int64() >= 0 && value->get_int64() <= kFar) {
    return std::optional<std::int64_t>(value->get_int64());
  }
  return VaultFailure{400, fmt::format("error validating token: {} is no time", name)};
}

VaultStatus CheckTimes(const Operation& op, const json::object& claims) {
  const std::int64_t now = Seconds(op.call.now);
  constexpr std::int64_t kLeeway = 60;
  const auto until = VAULT_TRY(TimeClaim(claims, "exp"));
  const auto from = VAULT_TRY(TimeClaim(claims, "nbf"));
  if (until.has_value() && *until + kLeeway < now) {
    return VaultFailure{400, "error validating token: token is expired (exp)"};
  }
  if (from.has_value() && *from > now + kLeeway) {
    return VaultFailure{400, "error validating token: not yet valid (nbf)"};
  }
  return {};
}

VaultStatus CheckClaims(const Operation& op, const LoginRole& role, const json::object& claims) {
  VAULT_TRY(CheckTimes(op, claims));
  const auto audiences = NamesOf(claims, "aud");
  const bool audience_fits =
      role.bound_audiences.empty() ||
      std::any_of(audiences.begin(), audiences.end(), [&](const std::string& audience) {
        return std::find(role.bound_audiences.begin(), role.bound_audiences.end(), audience) !=
               role.bound_audiences.end();
      });
  if (!audience_fits) {
    return VaultFailure{
        400, "error validating claims: audience claim does not match any bound audience"};
  }
  if (!role.bound_subject.empty() && TextOf(claims, "sub") != role.bound_subject) {
    return VaultFailure{400, "error validating claims: sub claim does not match bound subject"};
  }
  return {};
}

VaultAnswer LogInWithJwt(const Operation& op, const std::string& mount) {
  const std::string name = TextOf(op.body, "role");
  const auto role = op.state->roles.find(mount + "/" + name);
  if (role == op.state->roles.end()) {
    return VaultFailure{400, fmt::format("role \"{}\" could not be found", name)};
  }
  const std::string token = TextOf(op.body, "jwt");
  const auto keys = op.state->jwt_keys.find(mount);
  bool signed_by_one = false;
  if (keys != op.state->jwt_keys.end()) {
    for (const std::string& pem : keys->second) {
      const auto key = RsaKey::FromPublicPem(pem);
      signed_by_one |= key.ok() && VerifyJwt(token, *key).ok();
    }
  }
  const auto jwt = ReadJwtUnverified(token);
  if (!signed_by_one || !jwt.ok()) {
    return VaultFailure{
        400, "error validating token: no known key successfully validated the token signature"};
  }
  VAULT_TRY(CheckClaims(op, role->second, jwt->claims));
  op.call.caller = "jwt/" + name;
  return IssueToken(op, role->second, "jwt-" + TextOf(jwt->claims, "sub"));
}

VaultAnswer ConfigureJwt(const Operation& op, const std::string& mount) {
  const auto pems = NamesOf(op.body, "jwt_validation_pubkeys");
  for (const std::string& pem : pems) {
    if (!RsaKey::FromPublicPem(pem).ok()) return VaultFailure{400, "error parsing public key"};
  }
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    state.jwt_keys[mount] = pems;
    return {};
  }));
  return json::object();
}

VaultAnswer RunRole(const Operation& op, const std::string& id, const std::string& what) {
  if (what.empty() && op.method == "POST") return WriteRole(op, id);
  if (what.empty() && op.method == "GET") return ReadRole(op, id);
  if (what.empty() && op.method == "DELETE") {
    VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
      state.roles.erase(id);
      return {};
    }));
    return json::object();
  }
  if (what == "role-id" && op.method == "GET") {
    const auto found = op.state->roles.find(id);
    if (found == op.state->roles.end()) return VaultFailure{404, ""};
    return json::object{{"data", {{"role_id", found->second.role_id}}}};
  }
  if (what == "secret-id" && op.method == "POST") return NewSecretId(op, id);
  if (what == "secret-id/destroy" && op.method == "POST") {
    VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
      const auto found = state.roles.find(id);
      if (found != state.roles.end()) {
        found->second.secret_ids.erase(DigestOf(TextOf(op.body, "secret_id")));
      }
      return {};
    }));
    return json::object();
  }
  return NoRoute(op);
}

}  // namespace

VaultAnswer RunAuth(const Operation& op) {
  if (op.parts.size() < 3) return NoRoute(op);
  if (op.parts[1] == "token") return RunToken(op, op.parts[2]);
  const std::string mount = op.name_space + "auth/" + op.parts[1];
  const auto type = op.state->mounts.find(mount);
  if (type == op.state->mounts.end()) return NoRoute(op);
  if (op.parts[2] == "login" && op.method == "POST") {
    return type->second == "approle" ? LogInWithAppRole(op, mount) : LogInWithJwt(op, mount);
  }
  if (op.parts[2] == "config" && type->second != "approle" && op.method == "POST") {
    return ConfigureJwt(op, mount);
  }
  if (op.parts[2] != "role" || op.parts.size() < 4) return NoRoute(op);
  std::string what;
  for (std::size_t i = 4; i < op.parts.size(); ++i) what += (i == 4 ? "" : "/") + op.parts[i];
  return RunRole(op, mount + "/" + op.parts[3], what);
}

}  // namespace freehold::embedded::vault
