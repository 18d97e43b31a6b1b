// A cluster's keys: /api/v1/clusters/{cluster_id}/cmek, as CockroachDB Cloud has it.
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {

namespace json = boost::json;
using api::JsonReader;
using control::Clusters;
using control::Permission;

Result<std::vector<api::RegionSpec>> ReadRegionSpecs(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  auto specs = api::ReadRegionSpecs(reader, "region_specs");
  TRY(reader.Finish());
  return specs;
}

Result<api::CmekAction> ReadAction(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  const std::string name = reader.RequiredText("action");
  TRY(reader.Finish());
  auto action = api::CmekActionFromName(name);
  return action.ok() ? std::move(action) : action.error().Because("action");
}

std::vector<Route> CmekRoutes(Clusters& clusters) {
  constexpr std::string_view kPath = "/api/v1/clusters/{cluster_id}/cmek";
  return {
      {"GET",
       kPath,
       {"GetCMEKClusterInfo", "", "CmekClusterInfo"},
       Permission::kRead,
       "The cluster's keys, by region",
       [&](const Call& call) -> Result<json::object> {
         return api::ToJson(TRY(clusters.Cmek(call.caller, call.Parameter("cluster_id"))));
       }},
      {"POST",
       kPath,
       {"EnableCMEKSpec", "CmekSpecs", "CmekClusterInfo"},
       Permission::kManageKeys,
       "Enables customer-managed keys: one for every region",
       [&](const Call& call) -> Result<json::object> {
         const auto specs = TRY(ReadRegionSpecs(call.body));
         return api::ToJson(TRY(clusters.Enable(call.caller, call.Parameter("cluster_id"), specs)));
       }},
      {"PUT",
       kPath,
       {"UpdateCMEKSpec", "CmekSpecs", "CmekClusterInfo"},
       Permission::kManageKeys,
       "Enables, rotates, or wraps anew; regions that are not named stay as they are",
       [&](const Call& call) -> Result<json::object> {
         const auto specs = TRY(ReadRegionSpecs(call.body));
         return api::ToJson(TRY(clusters.Update(call.caller, call.Parameter("cluster_id"), specs)));
       }},
      {"PATCH",
       kPath,
       {"UpdateCMEKStatus", "CmekActionBody", "CmekClusterInfo"},
       Permission::kRevokeKeys,
       "REVOKE; RESTORE or DISENROL, which take restore_keys; REKEY or REENCRYPT (manage_keys)",
       [&](const Call& call) -> Result<json::object> {
         const api::CmekAction action = TRY(ReadAction(call.body));
         return api::ToJson(TRY(clusters.Act(call.caller, call.Parameter("cluster_id"), action)));
       }},
  };
}

}  // namespace freehold::server
