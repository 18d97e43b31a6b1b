#include "kms/embedded/azure/administration.h"

#include <algorithm>
#include <boost/json.hpp>

#include "crypto/certificate.h"
#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/embedded/azure/entra.h"
#include "kms/embedded/azure/vault_call.h"
#include "kms/embedded/ids.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

constexpr auto kLifetime = std::chrono::hours(24 * 730);

Error Invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}
Error Missing(std::string_view what, std::string_view name) {
  return Error(ErrorCode::kNotFound, fmt::format("there is no {} '{}'", what, Printable(name)));
}

bool IsName(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
             std::string_view::npos;
}

Vault* FindVault(State& state, const std::string& name) {
  for (auto& [host, vault] : state.vaults) {
    if (host == LowerCase(name) || host.substr(0, host.find('.')) == LowerCase(name)) return &vault;
  }
  return nullptr;
}

class Administrator {
 public:
  Administrator(State& state, const MasterKey& master, WallTime now, const json::object& command)
      : state_(state), master_(master), now_(now), command_(command) {}

  Result<json::object> Run() {
    const std::string name = Text("command");
    if (name == "app") return MakeApplication();
    if (name == "secret") return ReplaceSecret();
    if (name == "consent") return Consent(true);
    if (name == "remove-consent") return Consent(false);
    if (name == "assign") return Assign(true);
    if (name == "unassign") return Assign(false);
    if (name == "vault-create") return CreateVault();
    if (name == "vault-delete") return DeleteVault();
    if (name == "vault-firewall") return SetFirewall();
    if (name == "vault-protect") return Protect();
    if (name == "show") return Show();
    return Invalid(fmt::format("'{}' is no command of the Azure dialect", Printable(name)));
  }

 private:
  std::string Text(std::string_view name) const { return TextOf(command_, name); }
  bool IsSet(std::string_view name) const {
    const auto* value = command_.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }

  WallTime Expiry() const {
    const auto* value = command_.if_contains("expires_in");
    if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return now_ + kLifetime;
    return now_ + std::chrono::seconds(std::min<std::int64_t>(value->get_int64(), 2'000'000'000));
  }

  Result<Tenant*> TheTenant(const std::string& name) {
    const Tenant* found = FindTenant(state_, name);
    if (found == nullptr) return Missing("tenant", name);
    return &state_.tenants.at(found->id);
  }
  Result<Application*> TheApplication() {
    const Application* found = FindApplication(state_, Text("app"));
    if (found == nullptr) return Missing("application", Text("app"));
    return &state_.applications.at(found->id);
  }
  Result<Vault*> TheVault(const std::string& name) {
    Vault* found = FindVault(state_, name);
    if (found == nullptr) return Missing("vault", name);
    return found;
  }

  Result<json::object> MakeApplication() {
    Application application;
    application.id = NewUuid();
    application.name = Text("name");
    if (!IsName(application.name, 100))
      return Invalid("an application's name is letters and digits");
    if (FindApplication(state_, application.name) != nullptr) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("there is an application '{}' already", application.name));
    }
    Tenant* home = TRY(TheTenant(Text("tenant").empty() ? "operator" : Text("tenant")));
    application.tenant = home->id;
    json::object answer{{"client_id", application.id}, {"tenant_id", home->id}};
    if (const std::string pem = Text("certificate"); !pem.empty()) {
      const RsaKey key = TRY(CertificateKey(pem));
      const Bytes thumbprint = TRY(CertificateThumbprint(pem));
      application.credentials.push_back({{}, thumbprint, key.Modulus(), key.Exponent(), Expiry()});
    } else {
      const SecretBytes secret = NewSecretAccessKey();
      application.credentials.push_back(TRY(SealSecret(secret, Expiry(), master_)));
      answer["client_secret"] = AsText(secret.ExposeSecret());
    }
    home->principals[application.id] = NewUuid();
    state_.applications[application.id] = std::move(application);
    return answer;
  }

  Result<json::object> ReplaceSecret() {
    Application* application = TRY(TheApplication());
    const SecretBytes secret = NewSecretAccessKey();
    application->credentials = {TRY(SealSecret(secret, Expiry(), master_))};
    return json::object{{"client_secret", AsText(secret.ExposeSecret())}};
  }

  Result<json::object> Consent(bool given) {
    const Application* application = TRY(TheApplication());
    Tenant* tenant = TRY(TheTenant(Text("tenant")));
    if (!given) {
      tenant->principals.erase(application->id);
    } else if (!tenant->principals.contains(application->id)) {
      tenant->principals[application->id] = NewUuid();
      DropAssignments(application->id, tenant->id);
    }
    return json::object();
  }

  // A consent makes another principal: what the one before it was assigned is not its own.
  void DropAssignments(const std::string& application, const std::string& tenant) {
    std::erase_if(state_.assignments, [&](const Assignment& each) {
      return each.application == application && state_.vaults.at(each.vault).tenant == tenant;
    });
  }

  Result<json::object> Assign(bool given) {
    const Application* application = TRY(TheApplication());
    const std::string scope = Text("scope");
    const auto slash = scope.find('/');
    const Vault* vault = TRY(TheVault(scope.substr(0, slash)));
    const std::string key = slash == std::string::npos ? "" : LowerCase(scope.substr(slash + 1));
    if (slash != std::string::npos && !IsName(key, 127)) return Invalid("that is no name of a key");
    if (!IsRole(Text("role"))) return Missing("role", Text("role"));
    if (given && !state_.tenants.at(vault->tenant).principals.contains(application->id)) {
      return Missing("consent of that tenant to", application->name);
    }
    const Assignment assignment{Text("role"), application->id, vault->host, key};
    const auto removed = std::erase(state_.assignments, assignment);
    if (given) {
      state_.assignments.push_back(assignment);
    } else if (removed == 0) {
      return Missing("such assignment of", Text("role"));
    }
    return json::object();
  }

  Result<json::object> CreateVault() {
    const std::string name = LowerCase(Text("vault"));
    if (!IsName(name, 24)) return Invalid("a vault's name is up to 24 letters, digits and '-'");
    const Tenant* tenant = TRY(TheTenant(Text("tenant").empty() ? "customer" : Text("tenant")));
    Vault vault;
    vault.host = name + (IsSet("managed_hsm") ? ".managedhsm.azure.net" : ".vault.azure.net");
    vault.tenant = tenant->id;
    vault.purge_protection = IsSet("purge_protection");
    vault.firewall_denies = Text("firewall") == "deny";
    if (FindVault(state_, name) != nullptr) {
      return Error(ErrorCode::kAlreadyExists, fmt::format("there is a vault '{}' already", name));
    }
    json::object answer{{"host", vault.host}};
    state_.vaults[vault.host] = std::move(vault);
    return answer;
  }

  Result<json::object> DeleteVault() {
    const std::string host = TRY(TheVault(Text("vault")))->host;
    state_.vaults.erase(host);
    std::erase_if(state_.assignments, [&](const Assignment& each) { return each.vault == host; });
    return json::object();
  }

  Result<json::object> SetFirewall() {
    const std::string word = Text("firewall");
    if (word != "deny" && word != "allow") return Invalid("--firewall is allow or deny");
    TRY(TheVault(Text("vault")))->firewall_denies = word == "deny";
    return json::object();
  }

  Result<json::object> Protect() {
    TRY(TheVault(Text("vault")))->purge_protection = true;
    return json::object();
  }

  Result<json::object> Show() {
    json::object tenants;
    for (const auto& [id, tenant] : state_.tenants) tenants[tenant.name] = id;
    json::object applications;
    for (const auto& [id, each] : state_.applications) applications[each.name] = id;
    json::array vaults;
    for (const auto& [host, vault] : state_.vaults) {
      vaults.push_back({{"host", host},
                        {"purge_protection", vault.purge_protection},
                        {"firewall", vault.firewall_denies ? "deny" : "allow"}});
    }
    json::array assignments;
    for (const Assignment& each : state_.assignments) {
      assignments.push_back({{"role", each.role},
                             {"app", state_.applications.at(each.application).name},
                             {"scope", each.vault + (each.key.empty() ? "" : "/") + each.key}});
    }
    return json::object{{"tenants", tenants},
                        {"applications", applications},
                        {"vaults", vaults},
                        {"assignments", assignments}};
  }

  State& state_;
  const MasterKey& master_;
  const WallTime now_;
  const json::object& command_;
};

Result<json::object> Failed(const Error& error) { return error; }

}  // namespace

Result<json::object> Administer(StateStore<State>& store, const MasterKey& master, WallTime now,
                                const json::object& command) {
  const auto run = [&](State& state) { return Administrator(state, master, now, command).Run(); };
  if (TextOf(command, "command") == "show") {
    State copy = *store.Read();
    return run(copy);
  }
  return store.Update<Result<json::object>>(run, Failed);
}

Status MakeFirstState(StateStore<State>& store, const MasterKey& master, WallTime now) {
  if (!store.Read()->tenants.empty()) return {};
  const auto make = [&](State& state) -> Result<json::object> {
    for (const char* name : {"customer", "operator"}) {
      const std::string id = NewUuid();
      state.tenants[id] = Tenant{id, name, {}};
    }
    const json::object commands[] = {
        {{"command", "vault-create"}, {"vault", "embedded"}, {"purge_protection", true}},
        {{"command", "app"}, {"name", "customer-admin"}, {"tenant", "customer"}},
        {{"command", "app"}, {"name", "operator"}, {"tenant", "operator"}},
        {{"command", "consent"}, {"app", "operator"}, {"tenant", "customer"}},
        {{"command", "assign"},
         {"role", "Key Vault Crypto Officer"},
         {"app", "customer-admin"},
         {"scope", "embedded"}}};
    for (const json::object& each : commands) {
      TRY(Administrator(state, master, now, each).Run());
    }
    return json::object();
  };
  TRY(store.Update<Result<json::object>>(make, Failed));
  return {};
}

}  // namespace freehold::embedded::azure
