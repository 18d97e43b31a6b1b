// Service accounts and API keys.
#include "cli/control/commands.h"
#include "cli/control/names.h"
#include "cli/control/secret_file.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

std::string RoleText(const json::object& account) {
  std::string text;
  for (const json::value& item : ListOf(account, "roles")) {
    const json::object& role = item.as_object();
    text += (text.empty() ? "" : ", ") + FieldOf(role, "role");
    for (const char* place : {"project", "cluster"}) {
      const std::string id = FieldOf(role, fmt::format("{}_id", place));
      if (!id.empty()) text += fmt::format("@{}={}", place, id);
    }
  }
  return text;
}

void PrintAccounts(const json::array& items) {
  std::vector<Row> rows;
  for (const json::value& item : items) {
    const json::object& one = item.as_object();
    rows.push_back(
        {FieldOf(one, "name"), FieldOf(one, "id"), RoleText(one), FieldOf(one, "created_at")});
  }
  PrintTable({"NAME", "ID", "ROLES", "MADE AT"}, rows);
}

void PrintKeyList(const json::array& items) {
  std::vector<Row> rows;
  for (const json::value& item : items) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "name"), FieldOf(one, "id"), FieldOf(one, "created_at")});
  }
  PrintTable({"NAME", "ID", "MADE AT"}, rows);
}

Result<json::object> RoleOf(ApiClient& api, const std::string& text) {
  const auto at = text.find('@');
  json::object role = {{"role", text.substr(0, at)}};
  if (at == std::string::npos) return role;
  const std::string place = text.substr(at + 1);
  const auto equals = place.find('=');
  const std::string kind = place.substr(0, equals);
  if (equals == std::string::npos || (kind != "project" && kind != "cluster")) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--role: '{}' is not ROLE, ROLE@project=NAME or ROLE@cluster=NAME", text));
  }
  const Collection& collection = kind == "project" ? kProjects : kClusters;
  role[kind + "_id"] = TRY(IdOf(api, collection, place.substr(equals + 1)));
  return role;
}

// "organization_id=ID", or nothing where none is named: one's own.
Result<std::string> QueryOf(ApiClient& api, const std::string& organization) {
  if (organization.empty()) return std::string();
  return "organization_id=" + UrlPart(TRY(IdOf(api, kOrganizations, organization)));
}

Result<std::string> AccountPath(ApiClient& api, const std::string& account,
                                const std::string& organization) {
  const std::string query = TRY(QueryOf(api, organization));
  const std::string id = TRY(IdOf(api, kAccounts, account, query));
  return fmt::format("{}/{}", kAccounts.path, UrlPart(id));
}

}  // namespace

Status AccountCreate(const AccountFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  json::array roles;
  for (const std::string& text : flags.roles) roles.push_back(TRY(RoleOf(api, text)));
  json::object body = {{"name", flags.account}, {"roles", std::move(roles)}};
  if (!flags.organization.empty()) {
    body["organization_id"] = TRY(IdOf(api, kOrganizations, flags.organization));
  }
  Show(TRY(api.Send("POST", kAccounts.path, body)), flags.common,
       [](const json::object& one) { PrintAccounts({one}); });
  return {};
}

Status AccountList(const AccountFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string query = TRY(QueryOf(api, flags.organization));
  Show(TRY(api.List(kAccounts.path, kAccounts.field, query)), flags.common, PrintAccounts);
  return {};
}

Status AccountDelete(const AccountFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(AccountPath(api, flags.account, flags.organization));
  Show(TRY(api.Delete(path)), flags.common,
       [](const json::object&) { Print("the service account and its API keys are deleted"); });
  return {};
}

Status ApiKeyCreate(const ApiKeyFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(AccountPath(api, flags.account, flags.organization));
  SecretFile file = TRY(SecretFile::Create(flags.key_file));
  ApiAnswer made = TRY(api.Send("POST", path + "/api-keys", {{"name", flags.key}}));
  const std::string secret = FieldOf(made.body, "secret");
  if (file.is_wanted()) {
    TRY(file.Write(secret));
    made.body.erase("secret");
    made.text = json::serialize(made.body);
  }
  Show(made, flags.common, [&](const json::object& one) {
    PrintFields({{"name", FieldOf(one, "name")},
                 {"id", FieldOf(one, "id")},
                 {"API key, shown this once", file.is_wanted() ? "in " + flags.key_file : secret}});
  });
  return {};
}

Status ApiKeyList(const ApiKeyFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(AccountPath(api, flags.account, flags.organization));
  Show(TRY(api.Get(path + "/api-keys")), flags.common,
       [](const json::object& one) { PrintKeyList(ListOf(one, "api_keys")); });
  return {};
}

Status ApiKeyDelete(const ApiKeyFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.Delete("/api/v1/api-keys/" + UrlPart(flags.key))), flags.common,
       [](const json::object&) { Print("the API key is deleted"); });
  return {};
}

}  // namespace freehold::cli
