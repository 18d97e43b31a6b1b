// A cluster's custody terms: /api/v1/clusters/{cluster_id}/custody.
#include "api/json_reader.h"
#include "control/cluster_custody.h"
#include "control/custody_rules.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::ClusterCustody;
using control::CustodyView;
using control::NodeState;
using control::Permission;

json::object WorstCase(const CustodySettings& settings) {
  const bool seals = settings.on_denied == OnDenied::kSeal;
  return {{"denied",
           seals ? json::value(FormatSetting(settings.WorstCaseDenied())) : json::value(nullptr)},
          {"unreachable", FormatSetting(settings.WorstCaseUnreachable())},
          {"text", WorstCaseText(settings)}};
}

json::object NodeJson(const control::Cluster& cluster, const NodeState& node) {
  json::object object = {{"id", node.node},
                         {"region", node.region},
                         {"connected", node.connected},
                         {"applied", control::Applies(cluster, node)},
                         {"settings", nullptr},
                         {"worst_case", nullptr}};
  if (node.terms.has_value()) {
    object["settings"] = api::ToJson(*node.terms);
    object["worst_case"] = WorstCase(*node.terms);
  }
  return object;
}

json::object ToJson(const CustodyView& view) {
  json::array nodes;
  for (const NodeState& node : view.nodes) nodes.push_back(NodeJson(view.cluster, node));
  const api::CustodyTerms terms = control::TermsOf(view.cluster);
  return {{"told", view.cluster.terms.has_value()},
          {"settings", api::ToJson(terms)},
          {"worst_case", WorstCase(terms)},
          {"bounds", api::ToJson(view.bounds)},
          {"nodes", std::move(nodes)},
          {"restore_warning", view.restore_warning}};
}

Result<api::CustodyChange> ReadChange(const std::string& text) {
  const json::object body = TRY(api::ParseObject(text, "the body"));
  api::JsonReader reader(body, "");
  api::CustodyChange change = api::ReadCustodyChange(reader);
  TRY(reader.Finish());
  if (change.durations.empty() && !change.on_denied.has_value() &&
      !change.on_key_return.has_value()) {
    return Error(ErrorCode::kInvalidArgument, "the body names no setting");
  }
  return change;
}

}  // namespace

std::vector<Route> CustodyRoutes(ClusterCustody& custody) {
  constexpr std::string_view kPath = "/api/v1/clusters/{cluster_id}/custody";
  return {
      {"GET",
       kPath,
       {"GetCustody", "", "CustodyAnswer"},
       Permission::kRead,
       "How fast a cluster obeys its keys' KMS, and what each node has applied",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(custody.Get(call.caller, call.Parameter("cluster_id"))));
       }},
      {"PATCH",
       kPath,
       {"UpdateCustody", "CustodyChange", "CustodyAnswer"},
       Permission::kManageKeys,
       "Sets some of that; what is looser than before takes the permission restore_keys",
       [&](const Call& call) -> Result<json::object> {
         const auto change = TRY(ReadChange(call.body));
         return ToJson(TRY(custody.Change(call.caller, call.Parameter("cluster_id"), change)));
       }},
  };
}

}  // namespace freehold::server
