#include <charconv>

#include "cli/control/cluster_wait.h"
#include "cli/control/commands.h"
#include "cli/control/key_table.h"
#include "cli/control/manifest.h"
#include "cli/control/names.h"
#include "cli/control/question.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

std::string RegionText(const json::object& cluster) {
  std::string text;
  for (const json::value& item : ListOf(cluster, "regions")) {
    const json::object& region = item.as_object();
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", FieldOf(region, "name"),
                        FieldOf(region, "node_count"));
  }
  return text;
}

void PrintClusters(const json::array& items) {
  std::vector<Row> rows;
  for (const json::value& item : items) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "name"), FieldOf(one, "id"), FieldOf(one, "service_state"),
                    RegionText(one), FieldOf(one, "project_id")});
  }
  PrintTable({"NAME", "ID", "STATE", "REGIONS", "PROJECT"}, rows);
}

void PrintCluster(const json::object& one) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {"name", FieldOf(one, "name")},
      {"id", FieldOf(one, "id")},
      {"state", FieldOf(one, "service_state")},
      {"organization id", FieldOf(one, "organization_id")},
      {"external id", FieldOf(one, "organization_id")},
      {"account to trust", FieldOf(one, "account_id")}};
  for (const auto& [type, identity] : ObjectOf(one, "operator_identities")) {
    fields.emplace_back(fmt::format("trust for {}", std::string_view(type)),
                        std::string(identity.as_string()));
  }
  fields.insert(fields.end(), {{"project", FieldOf(one, "project_id")},
                               {"regions", RegionText(one)},
                               {"made at", FieldOf(one, "created_at")}});
  PrintFields(fields);
}

// {"us-east-1": 3} of "us-east-1=3"; without a number it is 1.
Result<json::object> RegionNodes(const std::vector<std::string>& regions) {
  json::object nodes;
  for (const std::string& text : regions) {
    const auto equals = std::min(text.find('='), text.size());
    const std::string number = equals == text.size() ? "1" : text.substr(equals + 1);
    std::int64_t count = 0;
    const auto [end, failure] =
        std::from_chars(number.data(), number.data() + number.size(), count);
    if (equals == 0 || failure != std::errc() || end != number.data() + number.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--region: '{}' is not REGION or REGION=NODES", text));
    }
    if (!nodes.emplace(text.substr(0, equals), count).second) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--region: '{}' is there twice", text.substr(0, equals)));
    }
  }
  return nodes;
}

// The names of the regions in a manifest, each with one node; what is wrong the server says.
json::object NodesOfSpecs(const json::value& specs) {
  json::object nodes;
  if (!specs.is_array()) return nodes;
  for (const json::value& item : specs.as_array()) {
    if (item.is_object()) nodes[FieldOf(item.as_object(), "region")] = 1;
  }
  return nodes;
}

// The cluster, as soon as its nodes are up if that is to be waited for.
Status ShowWhenUp(ApiClient& api, const ClusterFlags& flags, ApiAnswer cluster) {
  if (flags.wait) {
    const Duration at_most = TRY(ParseTimeout(flags.timeout));
    const std::string path = TRY(PathOf(api, kClusters, FieldOf(cluster.body, "id")));
    TRY(WaitFor(api, path + "/nodes", NodesAreUp(cluster.body), at_most));
    cluster = TRY(api.Get(path));
  }
  Show(cluster, flags.common, PrintCluster);
  return {};
}

}  // namespace

Status ClusterCreate(const ClusterFlags& flags) {
  json::object dedicated;
  dedicated["region_nodes"] = TRY(RegionNodes(flags.regions));
  if (!flags.file.empty()) {
    const json::object manifest = TRY(ReadManifest(flags.file));
    dedicated["cmek_region_specs"] = manifest.at("region_specs");
    if (flags.regions.empty()) {
      dedicated["region_nodes"] = NodesOfSpecs(manifest.at("region_specs"));
    }
  }
  json::object body = {{"name", flags.cluster}, {"spec", {{"dedicated", std::move(dedicated)}}}};
  ApiClient api = TRY(Connect(flags.common));
  if (!flags.project.empty()) body["project_id"] = TRY(IdOf(api, kProjects, flags.project));
  return ShowWhenUp(api, flags, TRY(api.Send("POST", kClusters.path, body)));
}

Status ClusterList(const ClusterFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.List(kClusters.path, kClusters.field)), flags.common, PrintClusters);
  return {};
}

Status ClusterShow(const ClusterFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  const ApiAnswer cluster = TRY(api.Get(path));
  Show(cluster, flags.common, PrintCluster);
  if (flags.common.json) return {};
  const ApiAnswer keys = TRY(api.Get(path + "/cmek"));
  PrintFields({{"keys", FieldOf(keys.body, "status")}});
  PrintKeys(keys.body, false);
  return {};
}

namespace {

// Until these are destroyed, who has a disk or a backup and may use them can read it.
void PrintKeysOver(const json::array& keys) {
  if (keys.empty()) return;
  Print("its data is erased for good, everywhere, when these are destroyed in the KMS:");
  std::vector<Row> rows;
  for (const json::value& item : keys) {
    const json::object& key = item.as_object();
    std::string versions;
    for (const json::value& version : ListOf(key, "versions")) {
      versions += (versions.empty() ? "" : ", ") + std::string(version.as_string());
    }
    rows.push_back({FieldOf(key, "region"), FieldOf(key, "type"), FieldOf(key, "uri"),
                    versions.empty() ? "all" : versions});
  }
  PrintTable({"REGION", "TYPE", "KEY", "VERSIONS"}, rows);
}

}  // namespace

Status ClusterDelete(const ClusterFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  const ApiAnswer cluster = TRY(api.Get(path));
  const std::string name = FieldOf(cluster.body, "name");
  TRY(AskForName(
      fmt::format("Deleting the cluster '{}' ({}) cannot be undone: nothing opens its data through "
                  "this control plane again. Its keys in the KMS are not touched; disable them "
                  "rather than delete them, until you are sure that neither the data nor a backup "
                  "of it is wanted: without the key both are unreadable for ever.",
                  name, RegionText(cluster.body)),
      name, flags.yes));
  Show(TRY(api.Delete(path)), flags.common, [&](const json::object& deleted) {
    Print(fmt::format("the cluster '{}' is deleted", name));
    PrintKeysOver(ListOf(deleted, "keys_that_stood_over_it"));
  });
  return {};
}

Status ClusterAddRegion(const ClusterFlags& flags) {
  json::object body;
  if (!flags.file.empty()) body = TRY(ReadManifest(flags.file));
  if (!flags.regions.empty()) {
    json::object dedicated;
    dedicated["region_nodes"] = TRY(RegionNodes(flags.regions));
    if (!flags.file.empty()) dedicated["cmek_region_specs"] = body.at("region_specs");
    body = {{"dedicated", std::move(dedicated)}};
  }
  if (body.empty()) {
    return Error(ErrorCode::kInvalidArgument, "give --region, or a manifest with -f, or both");
  }
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  return ShowWhenUp(api, flags, TRY(api.Send("PATCH", path, body)));
}

}  // namespace freehold::cli
