// Looking at keys: checks before a change, probes at once, and who uses a key.
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::KeyCheck;
using control::KeyChecks;
using control::KeyUse;
using control::Permission;

json::object ToJson(const KeyCheck& check) {
  return {{"region", check.spec.region},
          {"key_spec", api::ToJson(check.spec.key_spec)},
          {"node_id", check.node},
          {"valid", check.valid},
          {"message", check.message}};
}

json::object ToJson(const KeyUse& use) {
  json::array nodes;
  for (const std::string& node : use.nodes) nodes.emplace_back(node);
  json::object object = {{"cluster_id", use.cluster},    {"cluster_name", use.cluster_name},
                         {"region", use.region},         {"status", NameOf(use.status)},
                         {"is_present", use.is_present}, {"key_info", api::ToJson(use.key)},
                         {"nodes", std::move(nodes)}};
  if (use.custody.has_value()) object["custody"] = api::ToJson(*use.custody);
  return object;
}

json::object ToJson(const control::Recheck& recheck) {
  json::array nodes;
  for (const control::NodeRecheck& node : recheck.nodes) {
    nodes.push_back({{"id", node.node},
                     {"region", node.region},
                     {"connected", node.connected},
                     {"done", node.done},
                     {"problem", node.problem}});
  }
  return {{"number", recheck.number}, {"done", recheck.done()}, {"nodes", std::move(nodes)}};
}

Result<json::object> Check(KeyChecks& checks, const Call& call, const std::string& cluster) {
  const json::object body = TRY(api::ParseObject(call.body, "the body"));
  api::JsonReader reader(body, "");
  const auto specs = api::ReadRegionSpecs(reader, "region_specs");
  TRY(reader.Finish());
  json::array results;
  bool valid = true;
  for (const KeyCheck& check : TRY(checks.Check(call.caller, cluster, specs))) {
    valid = valid && check.valid;
    results.push_back(ToJson(check));
  }
  return json::object{{"valid", valid}, {"results", std::move(results)}};
}

Result<json::object> UsesOf(KeyChecks& checks, const Call& call) {
  const auto uri = call.query.find("uri");
  if (uri == call.query.end()) return Error(ErrorCode::kInvalidArgument, "uri: is missing");
  const auto found = TRY(checks.UsesOf(call.caller, uri->second, TRY(call.PageWanted())));
  json::array uses;
  for (const KeyUse& use : found.uses) uses.push_back(ToJson(use));
  return json::object{{"key_uses", std::move(uses)},
                      {"pagination", {{"next_page", found.next_page}}}};
}

}  // namespace

std::vector<Route> KeyCheckRoutes(KeyChecks& checks) {
  return {
      {"POST",
       "/api/v1/clusters/{cluster_id}/cmek/check",
       {"CheckClusterKeys", "CmekSpecs", "KeyCheckAnswer"},
       Permission::kManageKeys,
       "Tries keys from the regions' own nodes, and changes nothing",
       [&](const Call& call) { return Check(checks, call, call.Parameter("cluster_id")); }},
      {"POST",
       "/api/v1/cmek/check",
       {"CheckKeys", "CmekSpecs", "KeyCheckAnswer"},
       Permission::kManageKeys,
       "The same for a cluster that is still to be made, from free nodes",
       [&](const Call& call) { return Check(checks, call, ""); }},
      {"POST",
       "/api/v1/clusters/{cluster_id}/cmek/recheck",
       {"RecheckClusterKeys", "", "CmekRecheck"},
       Permission::kManageKeys,
       "Has every node of the cluster probe its key now",
       [&](const Call& call) -> Result<json::object> {
         if (!call.body.empty()) {
           const json::object body = TRY(api::ParseObject(call.body, "the body"));
           TRY(api::JsonReader(body, "").Finish());
         }
         return ToJson(TRY(checks.Begin(call.caller, call.Parameter("cluster_id"))));
       }},
      {"GET",
       "/api/v1/clusters/{cluster_id}/cmek/recheck",
       {"GetClusterKeysRecheck", "", "CmekRecheck"},
       Permission::kRead,
       "What came of that, node by node",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(checks.Look(call.caller, call.Parameter("cluster_id"))));
       }},
      {"GET",
       "/api/v1/key-usage",
       {"ListKeyUsage", "", "KeyUsage", "uri pagination.limit pagination.page"},
       Permission::kRead,
       "Where a key is in use, or was; a page is of clusters that were looked through",
       [&](const Call& call) { return UsesOf(checks, call); }},
  };
}

}  // namespace freehold::server
