// The keys of all of a project's clusters: /api/v1/projects/{project_id}/cmek and .../state.
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::ClusterOutcome;
using control::Permission;
using control::ProjectClusters;
using control::ProjectOutcome;

json::object ToJson(const ClusterOutcome& cluster) {
  json::object row = {{"cluster_id", cluster.cluster},
                      {"cluster_name", cluster.name},
                      {"status", NameOf(cluster.status)},
                      {"service_state", NameOf(cluster.state)},
                      {"refusal", nullptr}};
  if (cluster.refusal.has_value()) row["refusal"] = StatusJson(*cluster.refusal);
  return row;
}

json::object ToJson(const ProjectOutcome& outcome) {
  json::array keys;
  for (const api::RegionSpec& spec : outcome.project.keys) keys.push_back(api::ToJson(spec));
  json::array clusters;
  for (const ClusterOutcome& cluster : outcome.clusters) clusters.push_back(ToJson(cluster));
  return {{"project_id", outcome.project.id},
          {"revoked", outcome.project.revoked.has_value()},
          {"region_specs", std::move(keys)},
          {"clusters", std::move(clusters)},
          {"restore_warning", outcome.restore_warning}};
}

}  // namespace

std::vector<Route> ProjectCmekRoutes(ProjectClusters& clusters) {
  constexpr std::string_view kPath = "/api/v1/projects/{project_id}/cmek";
  return {
      {"GET",
       kPath,
       {"GetProjectCmek", "", "ProjectCmek"},
       Permission::kRead,
       "The project's keys, and those of each of its clusters",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(clusters.Get(call.caller, call.Parameter("project_id"))));
       }},
      {"PUT",
       kPath,
       {"UpdateProjectCmek", "CmekSpecs", "ProjectCmek"},
       Permission::kManageKeys,
       "Sets the project's keys of these regions, and rotates its clusters to them",
       [&](const Call& call) -> Result<json::object> {
         const auto specs = TRY(ReadRegionSpecs(call.body));
         return ToJson(TRY(clusters.Update(call.caller, call.Parameter("project_id"), specs)));
       }},
      {"PATCH",
       kPath,
       {"UpdateProjectCmekStatus", "CmekActionBody", "ProjectCmek"},
       Permission::kRevokeKeys,
       "REVOKE for all of its clusters, or RESTORE, which takes the permission restore_keys",
       [&](const Call& call) -> Result<json::object> {
         const api::CmekAction action = TRY(ReadAction(call.body));
         return ToJson(TRY(clusters.Act(call.caller, call.Parameter("project_id"), action)));
       }},
      {"PATCH",
       "/api/v1/projects/{project_id}/state",
       {"UpdateProjectState", "ClusterState", "ProjectCmek"},
       Permission::kOperateClusters,
       "Stops all of its clusters, sealed and in order, or starts those whose keys can be used",
       [&](const Call& call) -> Result<json::object> {
         const bool start = TRY(ReadStart(call.body));
         return ToJson(TRY(clusters.SetState(call.caller, call.Parameter("project_id"), start)));
       }},
  };
}

}  // namespace freehold::server
