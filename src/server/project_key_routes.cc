// Projects with a key for each region: /api/v1beta/projects, in the shapes of TiDB Cloud's.
#include <chrono>

#include "api/json_reader.h"
#include "fmt/format.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using api::JsonReader;
using control::Cluster;
using control::Organizations;
using control::Permission;
using control::Project;

constexpr std::string_view kAws = "AWS_KMS";

// The service's own account uses these keys: there is no role in this shape.
Result<std::vector<api::RegionSpec>> ReadSpecs(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  std::vector<api::RegionSpec> specs;
  std::set<std::string> seen;
  reader.Objects("specs", [&](JsonReader& item) {
    api::RegionSpec spec;
    spec.region = item.RequiredText("region");
    spec.key_spec = {std::string(kAws), item.RequiredText("kms_arn"), ""};
    if (const auto access = api::ToKeyAccess(spec.key_spec, ""); !access.ok()) {
      item.Refuse("kms_arn", access.error().message());
    }
    if (!seen.insert(spec.region).second) item.Refuse("region", "is there twice");
    specs.push_back(std::move(spec));
  });
  if (specs.empty()) reader.Refuse("specs", "is missing or empty");
  TRY(reader.Finish());
  return specs;
}

Result<json::object> CreateProject(Organizations& organizations, const Call& call) {
  const json::object body = TRY(api::ParseObject(call.body, "the body"));
  JsonReader reader(body, "");
  const std::string name = reader.RequiredText("name");
  const bool cmek = reader.Boolean("aws_cmek_enabled").value_or(false);
  TRY(reader.Finish());
  const Project made = TRY(organizations.CreateProject(call.caller, name, cmek));
  return json::object{{"id", made.id}};
}

json::object ToJson(const Project& project, std::size_t clusters) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(project.created_at.since_epoch).count();
  return {{"id", project.id},
          {"org_id", project.organization},
          {"name", project.name},
          {"cluster_count", clusters},
          {"create_timestamp", std::to_string(seconds)},
          {"aws_cmek_enabled", project.cmek_enabled}};
}

// Pages by number: all are read, as the store's pages begin behind an id.
Result<json::object> ListProjects(Organizations& organizations, control::Clusters& clusters,
                                  const Call& call) {
  const std::uint64_t page = TRY(call.NumberWanted("page", 1, 1, 1'000'000));
  const std::uint64_t size = TRY(call.NumberWanted("page_size", 10, 1, 100));
  const auto projects = TRY(organizations.ListProjects(call.caller, {}));
  std::map<std::string, std::size_t> count;
  for (const Cluster& cluster : TRY(clusters.List(call.caller, {}))) ++count[cluster.project];
  json::array items;
  for (std::uint64_t i = (page - 1) * size; i < projects.size() && items.size() < size; ++i) {
    items.push_back(ToJson(projects[i], count[projects[i].id]));
  }
  return json::object{{"items", std::move(items)}, {"total", projects.size()}};
}

// The keys of other kinds of KMS cannot be told in this shape.
Result<json::object> ListKeys(Organizations& organizations, const Call& call) {
  json::array items;
  for (const api::RegionSpec& spec :
       TRY(organizations.ProjectKeys(call.caller, call.Parameter("project_id")))) {
    items.push_back({{"region", spec.region}, {"kms_arn", spec.key_spec.uri}});
  }
  return json::object{{"items", std::move(items)}};
}

}  // namespace

std::vector<Route> ProjectKeyRoutes(Organizations& organizations, control::Clusters& clusters) {
  constexpr std::string_view kProjects = "/api/v1beta/projects";
  constexpr std::string_view kKeys = "/api/v1beta/projects/{project_id}/aws-cmek";
  return {
      {"POST",
       kProjects,
       {"CreateProjectBeta", "BetaNewProject", "BetaProjectId"},
       Permission::kManageProjects,
       "Makes a project, with customer-managed keys or without",
       [&](const Call& call) { return CreateProject(organizations, call); }},
      {"GET",
       kProjects,
       {"ListProjectsBeta", "", "BetaProjectList", "page page_size"},
       Permission::kRead,
       "The projects one may see",
       [&](const Call& call) { return ListProjects(organizations, clusters, call); }},
      {"POST",
       kKeys,
       {"CreateAwsCmek", "AwsCmekSpecs", "Empty"},
       Permission::kManageKeys,
       "Adds a key for a region: clusters that are made in the project get it",
       [&](const Call& call) -> Result<json::object> {
         const auto specs = TRY(ReadSpecs(call.body));
         TRY(organizations.AddProjectKeys(call.caller, call.Parameter("project_id"), specs));
         return json::object();
       }},
      {"GET",
       kKeys,
       {"ListAwsCmek", "", "AwsCmekList"},
       Permission::kRead,
       "The project's keys, by region",
       [&](const Call& call) { return ListKeys(organizations, call); }},
  };
}

}  // namespace freehold::server
