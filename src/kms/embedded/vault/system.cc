// sys/: mounts, policies, sealing.
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/embedded/vault/acl.h"
#include "kms/embedded/vault/operation.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

VaultAnswer Mount(const Operation& op, const std::string& path) {
  const std::string type = TextOf(op.body, "type");
  const bool is_auth = op.parts[1] == "auth";
  const bool known = is_auth ? type == "approle" || type == "jwt" || type == "kubernetes"
                             : type == "transit" || type == "keymgmt";
  if (!known) {
    return VaultFailure{400, fmt::format("plugin not found in the catalog: {}", type)};
  }
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    if (!state.mounts.try_emplace(path, type).second) {
      return VaultFailure{400, fmt::format("path is already in use at {}/", path)};
    }
    return {};
  }));
  return json::object();
}

VaultAnswer Unmount(const Operation& op, const std::string& path) {
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    state.mounts.erase(path);
    const auto below = [prefix = path + "/"](const auto& entry) {
      return entry.first.starts_with(prefix);
    };
    std::erase_if(state.keys, below);
    std::erase_if(state.roles, below);
    std::erase_if(state.managed_keys, below);
    std::erase_if(state.kms_entries, below);
    state.jwt_keys.erase(path);
    return {};
  }));
  return json::object();
}

VaultAnswer RunMounts(const Operation& op) {
  std::string path = op.name_space + (op.parts[1] == "auth" ? "auth/" : "");
  for (std::size_t i = 2; i < op.parts.size(); ++i) path += (i == 2 ? "" : "/") + op.parts[i];
  if (op.parts.size() > 2 && op.method == "POST") return Mount(op, path);
  if (op.parts.size() > 2 && op.method == "DELETE") return Unmount(op, path);
  if (op.parts.size() != 2 || op.method != "GET") return NoRoute(op);
  json::object mounts;
  for (const auto& [name, type] : op.state->mounts)
    mounts[name + "/"] = json::object{{"type", type}};
  return json::object{{"data", std::move(mounts)}};
}

VaultAnswer RunPolicies(const Operation& op) {
  const std::string name = op.name_space + op.parts.back();
  if (op.method == "POST") {
    std::string rules = TextOf(op.body, "policy");
    if (rules.empty()) rules = TextOf(op.body, "rules");  // as old clients call it
    const auto parsed = ParseAcl(rules);
    if (!parsed.ok()) {
      return VaultFailure{400, "failed to parse policy: " + parsed.error().message()};
    }
    VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
      state.policies[name] = rules;
      return {};
    }));
    return json::object();
  }
  if (op.method == "DELETE") {
    VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
      state.policies.erase(name);
      return {};
    }));
    return json::object();
  }
  const auto found = op.state->policies.find(name);
  if (op.method != "GET" || found == op.state->policies.end()) return VaultFailure{404, ""};
  return json::object{{"data", {{"name", op.parts.back()}, {"policy", found->second}}}};
}

VaultAnswer SealStatus(const Operation& op) {
  return json::object{{"initialized", true},
                      {"sealed", op.state->sealed},
                      {"t", 1},
                      {"n", 1},
                      {"version", "1.15.0"}};
}

VaultAnswer Unseal(const Operation& op) {
  if (DigestOf(TextOf(op.body, "key")) != op.state->unseal_digest) {
    return VaultFailure{400, "unseal failed, invalid key"};
  }
  VAULT_TRY(op.Update([](VaultState& state) -> VaultStatus {
    state.sealed = false;
    return {};
  }));
  return json::object{{"sealed", false}};
}

}  // namespace

VaultAnswer RunSystem(const Operation& op) {
  const std::string what = op.parts.size() > 1 ? op.parts[1] : "";
  if (what == "seal-status" || what == "health") return SealStatus(op);
  if (what == "unseal" && op.method == "POST") return Unseal(op);
  if (what == "seal" && op.method == "POST") {
    VAULT_TRY(op.Update([](VaultState& state) -> VaultStatus {
      state.sealed = true;
      return {};
    }));
    return json::object();
  }
  if (what == "mounts" || what == "auth") return RunMounts(op);
  if (what == "policy" && op.parts.size() == 3) return RunPolicies(op);
  if (what == "policies" && op.parts.size() == 4) return RunPolicies(op);
  return NoRoute(op);
}

}  // namespace freehold::embedded::vault
