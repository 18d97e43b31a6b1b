// Looking at keys: whether they could be used, what their nodes get now, and who uses one.
#include "base/bytes.h"
#include "cli/control/commands.h"
#include "cli/control/manifest.h"
#include "cli/control/names.h"
#include "cli/control/table.h"
#include "cli/control/wait.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

bool IsTrue(const json::object& object, std::string_view name) {
  return FieldOf(object, name) == "true";
}

// What is in use now, as a manifest has it.
Result<json::object> PresentKeys(ApiClient& api, const std::string& path) {
  json::array specs;
  const ApiAnswer info = TRY(api.Get(path + "/cmek"));
  for (const json::value& item : ListOf(info.body, "region_infos")) {
    const json::object& region = item.as_object();
    const json::array& keys = ListOf(region, "key_infos");
    if (keys.empty()) continue;
    specs.push_back({{"region", FieldOf(region, "region")},
                     {"key_spec", ObjectOf(keys.front().as_object(), "spec")}});
  }
  if (!specs.empty()) return json::object{{"region_specs", std::move(specs)}};
  return Error(ErrorCode::kPrecondition,
               "the cluster has no customer-managed keys; give a manifest with -f");
}

void PrintChecks(const json::object& answer) {
  std::vector<Row> rows;
  for (const json::value& item : ListOf(answer, "results")) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "region"), FieldOf(ObjectOf(one, "key_spec"), "uri"),
                    FieldOf(one, "message")});
  }
  PrintTable({"REGION", "KEY", "RESULT"}, rows);
}

// "waiting", "usable", or the KMS's words.
std::string OutcomeOf(const json::object& node) {
  if (!IsTrue(node, "done")) return IsTrue(node, "connected") ? "waiting" : "not heard";
  const std::string problem = FieldOf(node, "problem");
  return problem.empty() ? "usable" : problem;
}

void PrintRecheck(const json::object& answer) {
  std::vector<Row> rows;
  for (const json::value& item : ListOf(answer, "nodes")) {
    const json::object& node = item.as_object();
    rows.push_back({FieldOf(node, "id"), FieldOf(node, "region"), OutcomeOf(node)});
  }
  PrintTable({"NODE", "REGION", "KEY"}, rows);
}

// How many nodes have probed, of those that can be heard.
std::string RecheckProgress(const json::object& answer) {
  std::size_t done = 0;
  std::size_t heard = 0;
  for (const json::value& item : ListOf(answer, "nodes")) {
    const bool is_done = IsTrue(item.as_object(), "done");
    if (is_done) ++done;
    if (is_done || IsTrue(item.as_object(), "connected")) ++heard;
  }
  return fmt::format("{} of {} nodes have probed", done, heard);
}

// Whoever is away does not keep the others waiting.
Result<bool> AllHeardAreDone(const json::object& answer) {
  for (const json::value& item : ListOf(answer, "nodes")) {
    const json::object& node = item.as_object();
    if (!IsTrue(node, "done") && IsTrue(node, "connected")) return false;
  }
  return true;
}

Status AllAreUsable(const json::object& answer) {
  for (const json::value& item : ListOf(answer, "nodes")) {
    const std::string problem = FieldOf(item.as_object(), "problem");
    if (!problem.empty()) return Error(ErrorCode::kPrecondition, Printable(problem));
  }
  return {};
}

void PrintUses(const json::array& uses) {
  std::vector<Row> rows;
  std::vector<std::string> remarks;
  for (const json::value& item : uses) {
    const json::object& use = item.as_object();
    const json::object& key = ObjectOf(use, "key_info");
    const json::object& custody = ObjectOf(use, "custody");
    const bool is_present = IsTrue(use, "is_present");
    const std::string reason = FieldOf(custody, "reason");
    const std::string state = FieldOf(custody, "state");
    rows.push_back({FieldOf(use, "cluster_name"), FieldOf(use, "region"),
                    is_present ? FieldOf(use, "status") : FieldOf(key, "status"),
                    is_present ? "present" : "past",
                    is_present ? state + (reason.empty() ? "" : " (" + reason + ")") : "",
                    is_present ? FieldOf(custody, "since") : FieldOf(key, "updated_at"),
                    std::to_string(ListOf(use, "nodes").size())});
    const std::string words = FieldOf(custody, "message");
    if (is_present && !words.empty()) {
      remarks.push_back(fmt::format("{}, {}: the KMS says {}", FieldOf(use, "cluster_name"),
                                    FieldOf(use, "region"), words));
    }
  }
  PrintTable({"CLUSTER", "REGION", "STATUS", "KEY", "CUSTODY", "SINCE", "NODES UNDER IT"}, rows);
  for (const std::string& remark : remarks) Print(Printable(remark));
}

}  // namespace

Status CmekCheck(const CmekFlags& flags) {
  if (flags.cluster.empty() && flags.file.empty()) {
    return Error(ErrorCode::kInvalidArgument, "give a cluster, or a manifest with -f, or both");
  }
  json::object manifest;
  if (!flags.file.empty()) manifest = TRY(ReadManifest(flags.file));
  ApiClient api = TRY(Connect(flags.common));
  std::string path = "/api/v1/cmek/check";
  if (!flags.cluster.empty()) {
    const std::string cluster = TRY(PathOf(api, kClusters, flags.cluster));
    if (flags.file.empty()) manifest = TRY(PresentKeys(api, cluster));
    path = cluster + "/cmek/check";
  }
  const ApiAnswer answer = TRY(api.Send("POST", path, manifest));
  Show(answer, flags.common, PrintChecks);
  if (IsTrue(answer.body, "valid")) return {};
  return Error(ErrorCode::kPrecondition, "not every key can be used; nothing was changed");
}

Status CmekRecheck(const CmekFlags& flags) {
  const Duration at_most = TRY(ParseTimeout(flags.timeout));
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster)) + "/cmek/recheck";
  ApiAnswer answer = TRY(api.Send("POST", path, {}));
  if (flags.wait) answer = TRY(WaitFor(api, path, {RecheckProgress, AllHeardAreDone}, at_most));
  Show(answer, flags.common, PrintRecheck);
  return AllAreUsable(answer.body);
}

Status KeyUsage(const KeyUsageFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const ApiList uses = TRY(api.List("/api/v1/key-usage", "key_uses", "uri=" + UrlPart(flags.uri)));
  Show(uses, flags.common, PrintUses);
  return {};
}

}  // namespace freehold::cli
