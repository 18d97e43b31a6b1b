#include "control/credentials.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "control/audit.h"
#include "control/restorers.h"
#include "crypto/crypto.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::string_view kPrefix = "fhk_";
constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kSecretDigits = 64;

std::string DigestOf(std::string_view secret) { return HexEncode(Sha256(AsBytes(secret))); }

NewApiKey MakeKey(const std::string& account, const std::string& name, const Clock& clock) {
  const std::string secret = HexEncode(RandomBytes(kSecretDigits / 2));
  NewApiKey made;
  made.key = {HexEncode(RandomBytes(kIdDigits / 2)), account, name, DigestOf(secret), clock.Wall()};
  made.secret = ApiKeyText(made.key.id, secret);
  return made;
}

struct KeyText {
  std::string id;
  std::string secret;
};

std::optional<KeyText> Split(std::string_view key) {
  if (key.size() != kPrefix.size() + kIdDigits + 1 + kSecretDigits) return std::nullopt;
  if (!key.starts_with(kPrefix) || key[kPrefix.size() + kIdDigits] != '_') return std::nullopt;
  return KeyText{std::string(key.substr(kPrefix.size(), kIdDigits)),
                 std::string(key.substr(kPrefix.size() + kIdDigits + 1))};
}

// Of an organization's accounts the operator makes the administrators, and they make all others.
Status CheckOperatorsShare(const Caller& caller, const std::string& organization,
                           const std::vector<Grant>& grants) {
  if (!caller.organization.empty() || organization.empty()) return {};
  for (const Grant& grant : grants) {
    if (grant.role == Role::kOrganizationAdmin) continue;
    return Error(ErrorCode::kForbidden,
                 "the operator makes an organization's administrators, and they all others");
  }
  return {};
}

// What it makes comes from where it comes from itself.
WallTime OperatorTouchedAt(const Caller& maker, WallTime made_at) {
  return maker.organization.empty() ? made_at : maker.operator_touched_at;
}

Error Unknown() {
  return Error(ErrorCode::kUnauthenticated, "this API key is not known, or was deleted");
}

}  // namespace

std::string ApiKeyText(std::string_view id, std::string_view secret) {
  return fmt::format("{}{}_{}", kPrefix, id, secret);
}

Status Credentials::Bootstrap(const Show& show) {
  const std::string new_account = NewUuid();
  NewApiKey made = MakeKey(new_account, "first", clock_);
  bool is_shown = false;
  return store_.Change([&](Transaction& transaction) -> Status {
    const auto accounts = TRY(LoadAll<ServiceAccount>(transaction, Kind::kServiceAccount, "", {}));
    for (const ServiceAccount& account : accounts) {
      if (!TRY(transaction.List(Kind::kApiKey, account.id, {"", 1})).empty()) return {};
    }
    const ServiceAccount account =
        accounts.empty()
            ? ServiceAccount{new_account, "", "operator", clock_.Wall(), {{Role::kOperator, {}}}}
            : accounts.front();
    made.key.service_account = account.id;
    TRY(transaction.Put(ToRecord(account)));
    TRY(transaction.Put(ToRecord(made.key)));
    if (!std::exchange(is_shown, true)) TRY(show(made.secret));
    CrashPoint("first-key.shown");
    return {};
  });
}

Result<Caller> Credentials::Authenticate(std::string_view text) {
  const auto parts = Split(text);
  if (!parts.has_value()) return Unknown();
  Caller caller;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const auto record = TRY(transaction.Get(Kind::kApiKey, parts->id));
    if (!record.has_value()) return Unknown();
    const ApiKey key = TRY(FromRecord<ApiKey>(*record));
    if (!ConstantTimeEqual(AsBytes(key.secret_digest), AsBytes(DigestOf(parts->secret)))) {
      return Unknown();
    }
    auto account = Load<ServiceAccount>(transaction, Kind::kServiceAccount, key.service_account,
                                        "service account");
    if (!account.ok()) return Unknown();
    caller = CallerOf(*account, key, restore_wait_);
    return {};
  }));
  return caller;
}

Status Credentials::CheckGrants(Transaction& transaction, const Caller& caller,
                                const std::string& organization, const std::vector<Grant>& grants) {
  if (grants.empty()) {
    return Error(ErrorCode::kInvalidArgument, "roles: a service account needs at least one");
  }
  TRY(CheckOperatorsShare(caller, organization, grants));
  for (const Grant& grant : grants) {
    if ((grant.role == Role::kOperator) != organization.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   organization.empty() ? "roles: the operator's own have the role OPERATOR only"
                                        : "roles: OPERATOR is no role within an organization");
    }
    if (grant.at.organization != organization) {
      return Error(ErrorCode::kInvalidArgument, "roles: a role is held in its own organization");
    }
    if (!grant.at.project.empty()) {
      const auto project =
          TRY(Load<Project>(transaction, Kind::kProject, grant.at.project, "project"));
      if (project.organization != organization) return Absent("project", grant.at.project);
    }
    if (!grant.at.cluster.empty()) {
      const auto cluster =
          TRY(Load<Cluster>(transaction, Kind::kCluster, grant.at.cluster, "cluster"));
      if (cluster.organization != organization) return Absent("cluster", grant.at.cluster);
    }
  }
  return {};
}

Result<ServiceAccount> Credentials::CreateAccount(const Caller& caller,
                                                  const std::string& organization,
                                                  const std::string& name,
                                                  const std::vector<Grant>& grants) {
  TRY(caller.Require(Permission::kManageAccess, {organization, "", ""}));
  TRY(CheckName(name));
  ServiceAccount account{NewUuid(), organization, name, clock_.Wall(), grants};
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    if (!organization.empty()) {
      TRY(Load<Organization>(transaction, Kind::kOrganization, organization, "organization"));
    }
    TRY(CheckGrants(transaction, caller, organization, grants));
    account.created_at =
        CreationTime(TRY(LoadRevoked(transaction, organization, grants)), clock_.Wall());
    account.operator_touched_at = OperatorTouchedAt(caller, account.created_at);
    TRY(transaction.Put(ToRecord(account)));
    boost::json::array roles;
    for (const Grant& grant : grants) {
      roles.push_back({{"role", NameOf(grant.role)},
                       {"project_id", grant.at.project},
                       {"cluster_id", grant.at.cluster}});
    }
    return Note(transaction, clock_, caller, {"CREATE_SERVICE_ACCOUNT", {organization, "", ""}},
                {{"service_account_id", account.id}, {"name", name}, {"roles", roles}});
  }));
  return account;
}

Result<std::vector<ServiceAccount>> Credentials::ListAccounts(const Caller& caller,
                                                              const std::string& organization,
                                                              const Page& page) {
  TRY(caller.Require(Permission::kManageAccess, {organization, "", ""}));
  std::vector<ServiceAccount> accounts;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    accounts = TRY(LoadAll<ServiceAccount>(transaction, Kind::kServiceAccount, organization, page));
    return {};
  }));
  return accounts;
}

Status Credentials::DeleteAccount(const Caller& caller, const std::string& id) {
  return ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    const auto account =
        TRY(Load<ServiceAccount>(transaction, Kind::kServiceAccount, id, "service account"));
    TRY(Require(caller, Permission::kManageAccess, {account.organization, "", ""},
                "service account", id));
    if (account.id == caller.service_account) {
      return Error(ErrorCode::kPrecondition, "a service account does not delete itself");
    }
    for (const ApiKey& key : TRY(LoadAll<ApiKey>(transaction, Kind::kApiKey, id, {}))) {
      TRY(transaction.Remove(Kind::kApiKey, key.id));
    }
    TRY(transaction.Remove(Kind::kServiceAccount, id));
    return Note(transaction, clock_, caller,
                {"DELETE_SERVICE_ACCOUNT", {account.organization, "", ""}},
                {{"service_account_id", id}, {"name", account.name}});
  });
}

Result<NewApiKey> Credentials::CreateKey(const Caller& caller, const std::string& account_id,
                                         const std::string& name) {
  TRY(CheckName(name));
  NewApiKey made = MakeKey(account_id, name, clock_);
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    const auto account = TRY(
        Load<ServiceAccount>(transaction, Kind::kServiceAccount, account_id, "service account"));
    TRY(Require(caller, Permission::kManageAccess, {account.organization, "", ""},
                "service account", account_id));
    TRY(CheckOperatorsShare(caller, account.organization, account.grants));
    const WallTime now = clock_.Wall();
    const auto revoked = TRY(LoadRevoked(transaction, account.organization, account.grants));
    made.key.created_at = CreationTime(revoked, now);
    made.key.operator_touched_at = OperatorTouchedAt(caller, made.key.created_at);
    TRY(transaction.Put(ToRecord(made.key)));
    TRY(TellAwaited(transaction, caller, account, made.key, revoked, now));
    return Note(transaction, clock_, caller, {"CREATE_API_KEY", {account.organization, "", ""}},
                {{"api_key_id", made.key.id}, {"name", name}, {"service_account_id", account_id}});
  }));
  return made;
}

Result<std::vector<ApiKey>> Credentials::ListKeys(const Caller& caller,
                                                  const std::string& account_id) {
  std::vector<ApiKey> keys;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const auto account = TRY(
        Load<ServiceAccount>(transaction, Kind::kServiceAccount, account_id, "service account"));
    TRY(Require(caller, Permission::kManageAccess, {account.organization, "", ""},
                "service account", account_id));
    keys = TRY(LoadAll<ApiKey>(transaction, Kind::kApiKey, account_id, {}));
    return {};
  }));
  return keys;
}

Status Credentials::DeleteKey(const Caller& caller, const std::string& id) {
  return ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    const auto key = TRY(Load<ApiKey>(transaction, Kind::kApiKey, id, "API key"));
    const auto account = TRY(Load<ServiceAccount>(transaction, Kind::kServiceAccount,
                                                  key.service_account, "service account"));
    TRY(Require(caller, Permission::kManageAccess, {account.organization, "", ""}, "API key", id));
    TRY(transaction.Remove(Kind::kApiKey, id));
    return Note(transaction, clock_, caller, {"DELETE_API_KEY", {account.organization, "", ""}},
                {{"api_key_id", id}, {"service_account_id", account.id}});
  });
}

}  // namespace freehold::control
