// A cluster as a service: /v1/organizations/.../services/..., in the shapes of ClickHouse Cloud's.
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using api::JsonReader;
using control::Cluster;
using control::Clusters;
using control::ClusterState;
using control::Permission;

std::string_view ServiceState(ClusterState state) {
  switch (state) {
    case ClusterState::kCreating:
      return "provisioning";
    case ClusterState::kDeleting:
      return "terminating";
    default:
      return NameOf(state);
  }
}

// "" for a KMS that is no cloud's.
std::string_view ProviderOf(const std::string& kms_type) {
  if (kms_type == NameOf(KmsType::kAwsKms)) return "aws";
  if (kms_type == NameOf(KmsType::kGcpCloudKms)) return "gcp";
  if (kms_type == NameOf(KmsType::kAzureKeyVault)) return "azure";
  return "";
}

json::object ToJson(const Cluster& cluster, const ApiOptions& options) {
  json::object service = {{"id", cluster.id},
                          {"name", cluster.name},
                          {"region", cluster.regions.front().name},
                          {"state", ServiceState(cluster.state)},
                          {"createdAt", FormatTime(cluster.created_at)},
                          {"hasTransparentDataEncryption", true}};  // under our key, or theirs
  if (!options.account_id.empty()) service["encryptionRoleId"] = options.account_id;
  const auto& keys = cluster.regions.front().keys;
  if (keys.empty()) return service;
  const api::KeySpec& key = keys.front().spec;
  service["transparentDataEncryptionKeyId"] = key.uri;
  if (const auto provider = ProviderOf(key.type); !provider.empty()) service["provider"] = provider;
  return service;
}

Result<Cluster> Find(Clusters& clusters, const Call& call) {
  const std::string& id = call.Parameter("serviceId");
  Cluster cluster = TRY(clusters.Get(call.caller, id));
  if (cluster.organization != call.Parameter("organizationId"))
    return control::Absent("service", id);
  return cluster;
}

Result<std::string> ReadKey(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  JsonReader reader(body, "");
  std::string key = reader.RequiredText("transparentDataEncryptionKeyId");
  TRY(reader.Finish());
  return key;
}

}  // namespace

std::vector<Route> ServiceRoutes(Clusters& clusters, const ApiOptions& options) {
  constexpr std::string_view kPath = "/v1/organizations/{organizationId}/services/{serviceId}";
  return {
      {"GET",
       kPath,
       {"GetService", "", "ServiceAnswer", "", "ServiceError"},
       Permission::kRead,
       "A cluster, with the key of its region",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(Find(clusters, call)), options);
       }},
      {"PATCH",
       kPath,
       {"UpdateService", "ServiceChange", "ServiceAnswer", "", "ServiceError"},
       Permission::kManageKeys,
       "Enables or rotates the key of a cluster in one region",
       [&](const Call& call) -> Result<json::object> {
         const std::string key = TRY(ReadKey(call.body));
         const Cluster cluster = TRY(Find(clusters, call));
         TRY(clusters.UpdateOnlyKey(call.caller, cluster.id, key));
         return ToJson(TRY(Find(clusters, call)), options);
       }},
      {"PATCH",
       "/v1/organizations/{organizationId}/services/{serviceId}/state",
       {"UpdateServiceState", "ClusterState", "ServiceAnswer", "", "ServiceError"},
       Permission::kOperateClusters,
       "Starts or stops a cluster",
       [&](const Call& call) -> Result<json::object> {
         const bool start = TRY(ReadStart(call.body));
         const std::string id = TRY(Find(clusters, call)).id;
         return ToJson(
             TRY(start ? clusters.Start(call.caller, id) : clusters.Stop(call.caller, id)),
             options);
       }},
  };
}

}  // namespace freehold::server
