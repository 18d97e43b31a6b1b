// Organizations and projects: /api/v1/organizations, /api/v1/projects.
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using api::JsonReader;
using control::Organization;
using control::OrganizationChange;
using control::Permission;
using control::Project;

json::object ToJson(const Organization& organization) {
  json::object types;
  for (const auto& [region, list] : organization.allowed_kms_types) {
    types[region] = json::array(list.begin(), list.end());
  }
  return {{"id", organization.id},
          {"name", organization.name},
          {"created_at", FormatTime(organization.created_at)},
          {"cmek_granted", organization.cmek_granted},
          {"unique_keys", organization.unique_keys},
          {"allowed_kms_types", std::move(types)},
          {"custody_bounds", api::ToJson(organization.custody_bounds)}};
}

json::object ToJson(const Project& project) {
  return {{"id", project.id},
          {"organization_id", project.organization},
          {"name", project.name},
          {"created_at", FormatTime(project.created_at)},
          {"cmek_enabled", project.cmek_enabled}};
}

OrganizationChange ReadChange(JsonReader& reader) {
  OrganizationChange change;
  change.cmek_granted = reader.Boolean("cmek_granted");
  change.unique_keys = reader.Boolean("unique_keys");
  if (reader.Has("allowed_kms_types")) {
    change.allowed_kms_types = reader.TextLists("allowed_kms_types");
  }
  reader.Object("custody_bounds", [&](JsonReader& bounds) {
    change.custody_bounds = api::ReadCustodyBounds(bounds);
  });
  return change;
}

}  // namespace

std::vector<Route> OrganizationRoutes(control::Organizations& organizations) {
  return {
      {"POST",
       "/api/v1/organizations",
       {"CreateOrganization", "NewOrganization", "Organization"},
       Permission::kManageOrganizations,
       "Makes an organization, with its bounds",
       [&](const Call& call) -> Result<json::object> {
         const json::object body = TRY(api::ParseObject(call.body, "the body"));
         JsonReader reader(body, "");
         const std::string name = reader.RequiredText("name");
         const OrganizationChange bounds = ReadChange(reader);
         TRY(reader.Finish());
         return ToJson(TRY(organizations.Create(call.caller, name, bounds)));
       }},
      {"GET",
       "/api/v1/organizations",
       {"ListOrganizations", "", "OrganizationList", "pagination.limit pagination.page"},
       Permission::kRead,
       "All organizations for the operator, one's own for others",
       [&](const Call& call) -> Result<json::object> {
         const control::Page page = TRY(call.PageWanted());
         const auto all = TRY(organizations.List(call.caller, page));
         return PageJson("organizations", all, page, [](const auto& one) { return ToJson(one); });
       }},
      {"GET",
       "/api/v1/organizations/{organization_id}",
       {"GetOrganization", "", "Organization"},
       Permission::kRead,
       "One organization",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(organizations.Get(call.caller, call.Parameter("organization_id"))));
       }},
      {"PATCH",
       "/api/v1/organizations/{organization_id}",
       {"UpdateOrganization", "OrganizationChange", "Organization"},
       Permission::kManageOrganizations,
       "Grants CMEK, and sets what its clusters may use",
       [&](const Call& call) -> Result<json::object> {
         const json::object body = TRY(api::ParseObject(call.body, "the body"));
         JsonReader reader(body, "");
         const OrganizationChange change = ReadChange(reader);
         TRY(reader.Finish());
         return ToJson(
             TRY(organizations.Update(call.caller, call.Parameter("organization_id"), change)));
       }},
      {"POST",
       "/api/v1/projects",
       {"CreateProject", "NewProject", "Project"},
       Permission::kManageProjects,
       "Makes a project in the caller's organization",
       [&](const Call& call) -> Result<json::object> {
         const json::object body = TRY(api::ParseObject(call.body, "the body"));
         JsonReader reader(body, "");
         const std::string name = reader.RequiredText("name");
         const bool cmek = reader.Boolean("cmek_enabled").value_or(false);
         TRY(reader.Finish());
         return ToJson(TRY(organizations.CreateProject(call.caller, name, cmek)));
       }},
      {"GET",
       "/api/v1/projects",
       {"ListProjects", "", "ProjectList", "pagination.limit pagination.page"},
       Permission::kRead,
       "The projects one may see",
       [&](const Call& call) -> Result<json::object> {
         const control::Page page = TRY(call.PageWanted());
         const auto all = TRY(organizations.ListProjects(call.caller, page));
         return PageJson("projects", all, page, [](const auto& one) { return ToJson(one); });
       }},
      {"GET",
       "/api/v1/projects/{project_id}",
       {"GetProject", "", "Project"},
       Permission::kRead,
       "One project",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(organizations.GetProject(call.caller, call.Parameter("project_id"))));
       }},
  };
}

}  // namespace freehold::server
