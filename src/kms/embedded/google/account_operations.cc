// Service accounts, as IAM administers them.
#include "base/log.h"
#include "fmt/format.h"
#include "kms/embedded/google/accounts.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/operations.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

std::string NameOf(const std::string& email, const ServiceAccount& account) {
  return fmt::format("projects/{}/serviceAccounts/{}", account.project, email);
}

json::object ShowAccount(const std::string& email, const ServiceAccount& account) {
  json::object shown{{"name", NameOf(email, account)},
                     {"projectId", account.project},
                     {"uniqueId", account.unique_id},
                     {"email", email},
                     {"etag", "MDEwMjE5MjA="},
                     {"oauth2ClientId", account.unique_id},
                     {"displayName", account.display_name}};
  if (account.disabled) shown["disabled"] = true;
  return shown;
}

// "projects/P/serviceAccounts/E[/keys/K]" -> E
std::string EmailIn(const std::string& resource) {
  constexpr std::string_view kBefore = "/serviceAccounts/";
  const auto at = resource.find(kBefore);
  const std::string email =
      at == std::string::npos ? std::string() : resource.substr(at + kBefore.size());
  return email.substr(0, email.find('/'));
}

// Its name, with "-" for the project replaced; what is authorized.
GoogleResult<std::string> FindAccount(const Operation& op, const std::string& permission) {
  const std::string email = EmailIn(op.resource());
  const auto account = op.state->accounts.find(email);
  if (account == op.state->accounts.end()) {
    GOOGLE_TRY(op.Authorize(permission, op.resource()));
    return NotFound("Unknown service account: " + email);
  }
  GOOGLE_TRY(op.Authorize(permission, NameOf(email, account->second)));
  return email;
}

// Changes the account as it is now: it may have been deleted since it was looked at.
GoogleStatus UpdateAccount(Operation& op, const std::string& email,
                           const std::function<GoogleStatus(State&, ServiceAccount&)>& change) {
  return op.Update([&](State& state) -> GoogleStatus {
    const auto account = state.accounts.find(email);
    if (account == state.accounts.end()) return NotFound("Unknown service account: " + email);
    return change(state, account->second);
  });
}

Answer SetDisabled(Operation& op, bool disabled) {
  const std::string email = GOOGLE_TRY(
      FindAccount(op, disabled ? "iam.serviceAccounts.disable" : "iam.serviceAccounts.enable"));
  GOOGLE_TRY(UpdateAccount(op, email, [&](State&, ServiceAccount& account) -> GoogleStatus {
    account.disabled = disabled;
    return {};
  }));
  return json::object();
}

}  // namespace

Answer CreateServiceAccount(Operation& op) {
  const std::string project_name = op.target.Parent();
  GOOGLE_TRY(op.Authorize("iam.serviceAccounts.create", project_name));
  const std::string id = TextIn(op.body, "accountId");
  if (id.size() < 6 || id.size() > 30 || !IsResourceId(id)) {
    return InvalidArgument("The account ID must be between 6 and 30 characters.");
  }
  const std::string project = project_name.substr(project_name.rfind('/') + 1);
  const std::string email = EmailOf(id, project);
  const ServiceAccount account{project,
                               TextIn(ObjectIn(op.body, "serviceAccount"), "displayName"),
                               NewUniqueNumber(),
                               false,
                               {}};
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    if (!state.accounts.emplace(email, account).second) {
      return AlreadyExists("Service account " + id);
    }
    return {};
  }));
  return ShowAccount(email, account);
}

Answer GetServiceAccount(Operation& op) {
  const std::string email = GOOGLE_TRY(FindAccount(op, "iam.serviceAccounts.get"));
  return ShowAccount(email, op.state->accounts.at(email));
}

Answer ListServiceAccounts(Operation& op) {
  const std::string project = op.target.Parent();
  GOOGLE_TRY(op.Authorize("iam.serviceAccounts.list", project));
  json::array accounts;
  for (const auto& [email, account] : op.state->accounts) {
    if ("projects/" + account.project == project) accounts.push_back(ShowAccount(email, account));
  }
  json::object answer;
  if (!accounts.empty()) answer["accounts"] = std::move(accounts);
  return answer;
}

Answer DeleteServiceAccount(Operation& op) {
  const std::string email = GOOGLE_TRY(FindAccount(op, "iam.serviceAccounts.delete"));
  GOOGLE_TRY(UpdateAccount(op, email, [&](State& state, ServiceAccount& account) -> GoogleStatus {
    state.policies.erase(NameOf(email, account));
    state.accounts.erase(email);
    // Its bindings would come back to life with another account of the name.
    for (auto& [resource, policy] : state.policies) {
      for (auto& [role, members] : policy) members.erase("serviceAccount:" + email);
    }
    return {};
  }));
  return json::object();
}

Answer DisableServiceAccount(Operation& op) { return SetDisabled(op, true); }
Answer EnableServiceAccount(Operation& op) { return SetDisabled(op, false); }

Answer CreateAccountKey(Operation& op) {
  const std::string email = GOOGLE_TRY(FindAccount(op, "iam.serviceAccountKeys.create"));
  const ServiceAccount& account = op.state->accounts.at(email);
  const auto key = RsaKey::Generate(2048);
  if (!key.ok()) {
    LogError("kms", key.error().message());
    return Internal();
  }
  const std::string id = NewKeyId();
  const json::object file = CredentialsFile(email, account.project, id, key->PrivatePem(),
                                            account.unique_id, op.token_uri);
  const std::string name = fmt::format("{}/keys/{}", NameOf(email, account), id);
  GOOGLE_TRY(UpdateAccount(op, email, [&](State&, ServiceAccount& current) -> GoogleStatus {
    current.keys[id] = {key->Modulus(), key->Exponent()};
    return {};
  }));
  return json::object{{"name", name},
                      {"privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE"},
                      {"privateKeyData", Base64Encode(AsBytes(json::serialize(file)))},
                      {"keyAlgorithm", "KEY_ALG_RSA_2048"},
                      {"keyOrigin", "GOOGLE_PROVIDED"},
                      {"keyType", "USER_MANAGED"},
                      {"validAfterTime", FormatTime(op.call.now)},
                      {"validBeforeTime", "9999-12-31T23:59:59Z"}};
}

Answer DeleteAccountKey(Operation& op) {
  const std::string email = GOOGLE_TRY(FindAccount(op, "iam.serviceAccountKeys.delete"));
  const std::string id = op.resource().substr(op.resource().rfind('/') + 1);
  GOOGLE_TRY(UpdateAccount(op, email, [&](State&, ServiceAccount& account) -> GoogleStatus {
    if (account.keys.erase(id) == 0) return NotFound("Service account key " + id);
    return {};
  }));
  return json::object();
}

}  // namespace freehold::embedded::google
