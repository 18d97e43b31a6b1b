// Nodes: /api/v1/nodes and /api/v1/join-tokens for the operator, and a cluster's own for its
// customer.
#include "api/json_reader.h"
#include "control/node_instances.h"
#include "control/nodes.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::Clusters;
using control::Node;
using control::Nodes;
using control::NodeState;
using control::Permission;

json::value TimeOrNull(const std::optional<WallTime>& time) {
  return time.has_value() ? json::value(FormatTime(*time)) : json::value(nullptr);
}

json::object ToJson(const Node& node) {
  return {{"id", node.id},
          {"region", node.region},
          {"cluster_id", node.cluster},
          {"pinned", node.pinned},
          {"joined_at", FormatTime(node.joined_at)}};
}

json::object ToJson(const NodeState& state) {
  return {{"id", state.node},
          {"region", state.region},
          {"connected", state.connected},
          {"reported_at", FormatTime(state.reported_at)},
          {"custody", state.custody},
          {"custody_reason", state.custody_reason},
          {"message", state.custody_message},
          {"since", TimeOrNull(state.since)},
          {"last_verified_at", TimeOrNull(state.last_verified_at)},
          {"lease_expires_at", TimeOrNull(state.lease_expires_at)},
          {"next_probe_at", TimeOrNull(state.next_probe_at)},
          {"key_version", state.key_version},
          {"database", state.database},
          {"key_uri", state.key_uri},
          {"old_key_bytes", state.old_key_bytes},
          {"problem", control::ProblemOf(state)}};
}

template <typename T>
json::object ListJson(const std::vector<T>& items) {
  json::array list;
  for (const T& item : items) list.push_back(ToJson(item));
  return {{"nodes", std::move(list)}};
}

struct NewToken {
  std::string region;
  std::string cluster;
};

Result<NewToken> ReadToken(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  api::JsonReader reader(body, "");
  NewToken token{reader.RequiredText("region"), reader.Text("cluster_id")};
  TRY(reader.Finish());
  return token;
}

}  // namespace

std::vector<Route> NodeRoutes(Nodes& nodes, Clusters& clusters, const ApiOptions& options) {
  return {
      {"POST",
       "/api/v1/join-tokens",
       {"CreateJoinToken", "NewJoinToken", "JoinToken"},
       Permission::kManageOrganizations,
       "Lets one host join as a node, once and within an hour",
       [&](const Call& call) -> Result<json::object> {
         const NewToken wanted = TRY(ReadToken(call.body));
         if (options.format_join_token == nullptr) {
           return Error(ErrorCode::kPrecondition,
                        "this server listens for no agents; start it with --agents-listen");
         }
         const auto made = TRY(nodes.CreateToken(call.caller, wanted.region, wanted.cluster));
         return json::object{{"id", made.token.id},
                             {"region", made.token.region},
                             {"cluster_id", made.token.cluster},
                             {"token", options.format_join_token(made.token.id, made.secret)},
                             {"expires_at", FormatTime(made.token.expires_at)}};
       }},
      {"GET",
       "/api/v1/nodes",
       {"ListNodes", "", "NodeList"},
       Permission::kManageOrganizations,
       "All nodes, and the cluster of each",
       [&](const Call& call) -> Result<json::object> {
         return ListJson(TRY(nodes.List(call.caller)));
       }},
      {"DELETE",
       "/api/v1/nodes/{node_id}",
       {"RemoveNode", "", "Empty", "lost duplicated"},
       Permission::kManageOrganizations,
       "Lets a node in no more; with lost=true one that belongs to a cluster, with duplicated=true "
       "one "
       "that two hosts were seen as",
       [&](const Call& call) -> Result<json::object> {
         Nodes::Removal removal;
         removal.lost = TRY(call.Says("lost"));
         removal.duplicated = TRY(call.Says("duplicated"));
         TRY(nodes.Remove(call.caller, call.Parameter("node_id"), removal));
         return json::object();
       }},
      {"GET",
       "/api/v1/clusters/{cluster_id}/nodes",
       {"ListClusterNodes", "", "NodeStateList"},
       Permission::kRead,
       "What a cluster's nodes last said",
       [&](const Call& call) -> Result<json::object> {
         return ListJson(TRY(clusters.Nodes(call.caller, call.Parameter("cluster_id"))));
       }},
  };
}

}  // namespace freehold::server
