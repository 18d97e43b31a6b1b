// Clusters: /api/v1/clusters, in the shapes of CockroachDB Cloud's.
#include "api/cluster_identity.h"
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using api::JsonReader;
using control::Cluster;
using control::ClusterPlan;
using control::Clusters;
using control::ClusterState;
using control::Permission;
using control::Region;

// What clients of the contract wait for; our own word stands beside it.
std::string_view ContractState(ClusterState state) {
  switch (state) {
    case ClusterState::kCreating:
      return "CREATING";
    case ClusterState::kDeleting:
      return "DELETED";
    default:
      return "CREATED";
  }
}

json::object ToJson(const Cluster& cluster, const ApiOptions& options) {
  json::array regions;
  for (const Region& region : cluster.regions) {
    regions.push_back({{"name", region.name}, {"node_count", region.node_count}});
  }
  json::object identities;
  for (const auto& [type, pattern] : options.identities) {
    identities[NameOf(type)] = api::ClusterIdentity(pattern, cluster.id);
  }
  return {{"id", cluster.id},
          {"name", cluster.name},
          {"organization_id", cluster.organization},
          {"project_id", cluster.project},
          {"account_id", options.account_id},
          {"operator_identities", std::move(identities)},
          {"state", ContractState(cluster.state)},
          {"service_state", NameOf(cluster.state)},
          {"regions", std::move(regions)},
          {"created_at", FormatTime(cluster.created_at)},
          {"updated_at", FormatTime(cluster.updated_at)}};
}

Result<ClusterPlan> ReadPlan(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  ClusterPlan plan;
  plan.name = reader.RequiredText("name");
  plan.project = reader.Text("project_id");
  reader.Ignore("provider");
  reader.Object("spec", [&](JsonReader& spec) {
    spec.Object("dedicated", [&](JsonReader& dedicated) {
      plan.regions = dedicated.Numbers("region_nodes");
      if (dedicated.Has("cmek_region_specs")) {
        plan.region_specs = api::ReadRegionSpecs(dedicated, "cmek_region_specs");
      }
      for (const char* other : {"hardware", "cockroach_version", "network_visibility"}) {
        dedicated.Ignore(other);
      }
    });
  });
  TRY(reader.Finish());
  return plan;
}

struct NewRegions {
  std::vector<std::pair<std::string, std::uint64_t>> regions;
  std::vector<api::RegionSpec> specs;
};

// Two shapes: that of the OpenAPI, nested in "dedicated", and that of the documentation's page.
Result<NewRegions> ReadNewRegions(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  NewRegions wanted;
  if (reader.Has("region_specs")) wanted.specs = api::ReadRegionSpecs(reader, "region_specs");
  reader.Object("dedicated", [&](JsonReader& dedicated) {
    wanted.regions = dedicated.Numbers("region_nodes");
    if (dedicated.Has("cmek_region_specs")) {
      wanted.specs = api::ReadRegionSpecs(dedicated, "cmek_region_specs");
    }
    dedicated.Ignore("hardware");
  });
  if (wanted.regions.empty() && wanted.specs.empty()) {
    reader.Refuse("dedicated", "names no region");
  }
  TRY(reader.Finish());
  return wanted;
}

}  // namespace

Result<bool> ReadStart(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  const std::string command = reader.RequiredText("command");
  if (!command.empty() && command != "start" && command != "stop") {
    reader.Refuse("command", "is neither start nor stop");
  }
  TRY(reader.Finish());
  return command == "start";
}

std::vector<Route> ClusterRoutes(Clusters& clusters, const ApiOptions& options) {
  return {
      {"POST",
       "/api/v1/clusters",
       {"CreateCluster", "NewCluster", "Cluster"},
       Permission::kManageClusters,
       "Makes a cluster, with its keys if they are given",
       [&](const Call& call) -> Result<json::object> {
         const ClusterPlan plan = TRY(ReadPlan(call.body));
         return ToJson(TRY(clusters.Create(call.caller, plan)), options);
       }},
      {"GET",
       "/api/v1/clusters",
       {"ListClusters", "", "ClusterList", "pagination.limit pagination.page"},
       Permission::kRead,
       "The clusters one may see",
       [&](const Call& call) -> Result<json::object> {
         const control::Page page = TRY(call.PageWanted());
         const auto all = TRY(clusters.List(call.caller, page));
         return PageJson("clusters", all, page,
                         [&](const auto& one) { return ToJson(one, options); });
       }},
      {"GET",
       "/api/v1/clusters/{cluster_id}",
       {"GetCluster", "", "Cluster"},
       Permission::kRead,
       "One cluster",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(clusters.Get(call.caller, call.Parameter("cluster_id"))), options);
       }},
      {"PATCH",
       "/api/v1/clusters/{cluster_id}",
       {"UpdateCluster", "ClusterChange", "Cluster"},
       Permission::kManageKeys,
       "Adds regions, with a key for each; without keys it takes manage_clusters",
       [&](const Call& call) -> Result<json::object> {
         const NewRegions wanted = TRY(ReadNewRegions(call.body));
         return ToJson(TRY(clusters.AddRegions(call.caller, call.Parameter("cluster_id"),
                                               wanted.regions, wanted.specs)),
                       options);
       }},
      {"PATCH",
       "/api/v1/clusters/{cluster_id}/state",
       {"UpdateClusterState", "ClusterState", "Cluster"},
       Permission::kOperateClusters,
       "Stops a cluster, sealed and in order, or starts it, if its key can be used",
       [&](const Call& call) -> Result<json::object> {
         const bool start = TRY(ReadStart(call.body));
         const std::string& id = call.Parameter("cluster_id");
         return ToJson(
             TRY(start ? clusters.Start(call.caller, id) : clusters.Stop(call.caller, id)),
             options);
       }},
      {"DELETE",
       "/api/v1/clusters/{cluster_id}",
       {"DeleteCluster", "", "DeletedCluster"},
       Permission::kManageClusters,
       "Deletes a cluster: its nodes stop and are let go, what is on their disks stays",
       [&](const Call& call) -> Result<json::object> {
         const Cluster deleted = TRY(clusters.Delete(call.caller, call.Parameter("cluster_id")));
         json::object answer = ToJson(deleted, options);
         answer["keys_that_stood_over_it"] = control::KeysOver(deleted);
         return answer;
       }},
  };
}

}  // namespace freehold::server
