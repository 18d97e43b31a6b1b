// Service accounts and their API keys: /api/v1/service-accounts.
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using api::JsonReader;
using control::ApiKey;
using control::Credentials;
using control::Grant;
using control::Permission;
using control::ServiceAccount;

json::object ToJson(const Grant& grant) {
  json::object object = {{"role", NameOf(grant.role)}};
  if (!grant.at.project.empty()) object["project_id"] = grant.at.project;
  if (!grant.at.cluster.empty()) object["cluster_id"] = grant.at.cluster;
  return object;
}

json::object ToJson(const ServiceAccount& account) {
  json::array roles;
  for (const Grant& grant : account.grants) roles.push_back(ToJson(grant));
  return {{"id", account.id},
          {"organization_id", account.organization},
          {"name", account.name},
          {"created_at", FormatTime(account.created_at)},
          {"roles", std::move(roles)}};
}

json::object ToJson(const ApiKey& key) {
  return {{"id", key.id},
          {"service_account_id", key.service_account},
          {"name", key.name},
          {"created_at", FormatTime(key.created_at)}};
}

std::vector<Grant> ReadGrants(JsonReader& reader, const std::string& organization) {
  std::vector<Grant> grants;
  reader.Objects("roles", [&](JsonReader& item) {
    Grant grant;
    const auto role = control::RoleFromName(item.RequiredText("role"));
    if (role.ok()) grant.role = *role;
    if (!role.ok()) item.Refuse("role", role.error().message());
    grant.at = {organization, item.Text("project_id"), item.Text("cluster_id")};
    grants.push_back(std::move(grant));
  });
  return grants;
}

// The organization that a request is about: the one it names, or the caller's own.
std::string OrganizationOf(const Call& call, const std::string& named) {
  return named.empty() ? call.caller.organization : named;
}

Result<json::object> CreateAccount(Credentials& credentials, const Call& call) {
  const json::object body = TRY(api::ParseObject(call.body, "the body"));
  JsonReader reader(body, "");
  const std::string name = reader.RequiredText("name");
  const std::string organization = OrganizationOf(call, reader.Text("organization_id"));
  const std::vector<Grant> grants = ReadGrants(reader, organization);
  TRY(reader.Finish());
  return ToJson(TRY(credentials.CreateAccount(call.caller, organization, name, grants)));
}

}  // namespace

std::vector<Route> CredentialRoutes(Credentials& credentials) {
  return {
      {"POST",
       "/api/v1/service-accounts",
       {"CreateServiceAccount", "NewServiceAccount", "ServiceAccount"},
       Permission::kManageAccess,
       "Makes a service account with its roles",
       [&](const Call& call) { return CreateAccount(credentials, call); }},
      {"GET",
       "/api/v1/service-accounts",
       {"ListServiceAccounts", "", "ServiceAccountList",
        "organization_id pagination.limit pagination.page"},
       Permission::kManageAccess,
       "The organization's service accounts",
       [&](const Call& call) -> Result<json::object> {
         const control::Page page = TRY(call.PageWanted());
         const auto named = call.query.find("organization_id");
         const auto all = TRY(credentials.ListAccounts(
             call.caller, OrganizationOf(call, named == call.query.end() ? "" : named->second),
             page));
         return PageJson("service_accounts", all, page,
                         [](const auto& one) { return ToJson(one); });
       }},
      {"DELETE",
       "/api/v1/service-accounts/{service_account_id}",
       {"DeleteServiceAccount", "", "Empty"},
       Permission::kManageAccess,
       "Deletes a service account and its API keys",
       [&](const Call& call) -> Result<json::object> {
         TRY(credentials.DeleteAccount(call.caller, call.Parameter("service_account_id")));
         return json::object();
       }},
      {"POST",
       "/api/v1/service-accounts/{service_account_id}/api-keys",
       {"CreateApiKey", "NewApiKey", "ApiKeyWithSecret"},
       Permission::kManageAccess,
       "Makes an API key; the answer is the only one with its secret",
       [&](const Call& call) -> Result<json::object> {
         const json::object body = TRY(api::ParseObject(call.body, "the body"));
         JsonReader reader(body, "");
         const std::string name = reader.RequiredText("name");
         TRY(reader.Finish());
         const auto made =
             TRY(credentials.CreateKey(call.caller, call.Parameter("service_account_id"), name));
         json::object answer = ToJson(made.key);
         answer["secret"] = made.secret;
         return answer;
       }},
      {"GET",
       "/api/v1/service-accounts/{service_account_id}/api-keys",
       {"ListApiKeys", "", "ApiKeyList"},
       Permission::kManageAccess,
       "The account's API keys, without their secrets",
       [&](const Call& call) -> Result<json::object> {
         json::array list;
         for (const ApiKey& key :
              TRY(credentials.ListKeys(call.caller, call.Parameter("service_account_id")))) {
           list.push_back(ToJson(key));
         }
         return json::object{{"api_keys", std::move(list)}};
       }},
      {"DELETE",
       "/api/v1/api-keys/{api_key_id}",
       {"DeleteApiKey", "", "Empty"},
       Permission::kManageAccess,
       "Ends an API key at once",
       [&](const Call& call) -> Result<json::object> {
         TRY(credentials.DeleteKey(call.caller, call.Parameter("api_key_id")));
         return json::object();
       }},
  };
}

}  // namespace freehold::server
