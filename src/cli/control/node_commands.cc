// Nodes, and whether a cluster's databases run.
#include "cli/control/cluster_wait.h"
#include "cli/control/commands.h"
#include "cli/control/names.h"
#include "cli/control/node_table.h"
#include "cli/control/question.h"
#include "cli/control/secret_file.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr const char* kNodes = "/api/v1/nodes";

Status ChangeState(ApiClient& api, const ClusterFlags& flags, const std::string& path,
                   std::string_view command, const WaitedFor& wanted) {
  const Duration at_most = TRY(ParseTimeout(flags.timeout));
  ApiAnswer answer = TRY(api.Send("PATCH", path + "/state", {{"command", command}}));
  if (flags.wait) answer = TRY(WaitFor(api, path, wanted, at_most));
  Show(answer, flags.common, [](const json::object& cluster) {
    Print(fmt::format("the cluster '{}' is {}", FieldOf(cluster, "name"),
                      FieldOf(cluster, "service_state")));
  });
  return {};
}

}  // namespace

Status NodeToken(const NodeFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  json::object body = {{"region", flags.region}};
  if (!flags.cluster.empty()) body["cluster_id"] = TRY(IdOf(api, kClusters, flags.cluster));
  SecretFile file = TRY(SecretFile::Create(flags.token_file));
  ApiAnswer made = TRY(api.Send("POST", "/api/v1/join-tokens", body));
  if (!file.is_wanted()) {
    // Alone: it goes through a pipe to the host that is to join.
    Show(made, flags.common, [](const json::object& one) { Print(FieldOf(one, "token")); });
    return {};
  }
  TRY(file.Write(FieldOf(made.body, "token")));
  made.body.erase("token");
  made.text = json::serialize(made.body);
  Show(made, flags.common, [&](const json::object& one) {
    PrintFields({{"region", FieldOf(one, "region")},
                 {"cluster", FieldOf(one, "cluster_id")},
                 {"good until", FieldOf(one, "expires_at")},
                 {"token, for one host", "in " + flags.token_file}});
  });
  return {};
}

Status NodeList(const NodeFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.Get(kNodes)), flags.common,
       [](const json::object& answer) { PrintNodes(ListOf(answer, "nodes")); });
  return {};
}

Status NodeRemove(const NodeFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  TRY(AskForName(
      fmt::format("Removing the node {}: it is not let in any more, and would have to "
                  "join anew.{}{}",
                  flags.node,
                  flags.lost ? " Its cluster counts it no longer: a revoke is confirmed "
                               "without it, so be sure that its host is gone for good."
                             : "",
                  flags.duplicated ? " Whether the copy of its host still holds a key is "
                                     "not known after that either."
                                   : ""),
      flags.node, flags.yes, "node's id"));
  const std::string path = fmt::format("{}/{}", kNodes, UrlPart(flags.node));
  const std::string words = fmt::format("?lost={}&duplicated={}", flags.lost, flags.duplicated);
  Show(TRY(api.Delete(path + words)), flags.common,
       [&](const json::object&) { Print(fmt::format("the node {} is removed", flags.node)); });
  return {};
}

Status ClusterNodes(const ClusterFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  Show(TRY(api.Get(path + "/nodes")), flags.common,
       [](const json::object& answer) { PrintNodeStates(ListOf(answer, "nodes")); });
  return {};
}

Status ClusterStart(const ClusterFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  return ChangeState(api, flags, path, "start", StateIs("running", "starting"));
}

Status ClusterStop(const ClusterFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  if (!flags.yes) {
    const std::string name = FieldOf(TRY(api.Get(path)).body, "name");
    TRY(AskForName(fmt::format("Stopping the cluster '{}': its databases stop in order and its "
                               "volumes are sealed, until somebody starts it.",
                               name),
                   name, false));
  }
  return ChangeState(api, flags, path, "stop", StateIs("stopped", "stopping"));
}

}  // namespace freehold::cli
