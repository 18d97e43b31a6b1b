#include "cli/control/cmek_wait.h"
#include "cli/control/commands.h"
#include "cli/control/key_table.h"
#include "cli/control/manifest.h"
#include "cli/control/names.h"
#include "cli/control/node_table.h"
#include "cli/control/question.h"
#include "cli/control/table.h"
#include "cli/control/wait.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

void PrintCmek(const json::object& info) {
  PrintFields({{"keys", FieldOf(info, "status")}});
  PrintKeys(info, true);
}

Result<std::string> CmekPath(ApiClient& api, const std::string& cluster) {
  return TRY(PathOf(api, kClusters, cluster)) + "/cmek";
}

// Sends the change, waits if that is wanted, shows the last answer.
Status Change(ApiClient& api, const CmekFlags& flags, std::string_view method,
              const std::string& path, const json::object& body, CmekGoal goal) {
  const Duration at_most = TRY(ParseTimeout(flags.timeout));
  ApiAnswer answer = TRY(api.Send(method, path, body));
  if (flags.wait) answer = TRY(WaitForCmek(api, path, goal, at_most));
  Show(answer, flags.common, PrintCmek);
  return {};
}

Status ChangeByManifest(const CmekFlags& flags, std::string_view method) {
  const json::object manifest = TRY(ReadManifest(flags.file));
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(CmekPath(api, flags.cluster));
  return Change(api, flags, method, path, manifest, CmekGoal::kEnabled);
}

// What was asked for and what it is worth, where a person reads it.
void Remark(const CmekFlags& flags, const char* text) {
  if (!flags.common.json) Print(text);
}

// `warning` gets the cluster's name and its regions; `more` stands behind it.
Status Ask(ApiClient& api, const std::string& cluster_path, fmt::string_view warning,
           const std::string& more = "") {
  const std::string name = FieldOf(TRY(api.Get(cluster_path)).body, "name");
  const std::string regions = RegionNames(TRY(api.Get(cluster_path + "/cmek")).body);
  return AskForName(fmt::vformat(warning, fmt::make_format_args(name, regions)) + more, name,
                    false);
}

Status Act(const CmekFlags& flags, std::string_view action, fmt::string_view warning,
           CmekGoal goal) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string cluster_path = TRY(PathOf(api, kClusters, flags.cluster));
  if (!flags.yes) TRY(Ask(api, cluster_path, warning));
  return Change(api, flags, "PATCH", cluster_path + "/cmek", {{"action", action}}, goal);
}

}  // namespace

Status CmekEnable(const CmekFlags& flags) { return ChangeByManifest(flags, "POST"); }

Status CmekRotate(const CmekFlags& flags) { return ChangeByManifest(flags, "PUT"); }

Status CmekShow(const CmekFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kClusters, flags.cluster));
  const ApiAnswer info = TRY(api.Get(path + "/cmek"));
  if (flags.common.json) {
    Print(info.text);
    return {};
  }
  const ApiAnswer cluster = TRY(api.Get(path));
  const ApiAnswer nodes = TRY(api.Get(path + "/nodes"));
  PrintCustody(cluster.body, info.body, ListOf(nodes.body, "nodes"));
  return {};
}

Status CmekRevoke(const CmekFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string cluster_path = TRY(PathOf(api, kClusters, flags.cluster));
  const std::string warning = RestoreWarning(api, cluster_path + "/custody");
  if (!flags.yes) {
    TRY(Ask(api, cluster_path,
            "Revoking the keys of '{}': its databases stop, and its data in {} is unreadable until "
            "another service account restores the keys. In the KMS, disable the key rather than "
            "delete it: a disabled key can be given back, a deleted one takes the data and every "
            "backup with it for ever.",
            warning.empty() ? "" : " " + warning));
  }
  TRY(Change(api, flags, "PATCH", cluster_path + "/cmek", {{"action", "REVOKE"}},
             CmekGoal::kRevoked));
  if (!warning.empty()) Warn(warning);
  return {};
}

Status CmekRestore(const CmekFlags& flags) {
  return Act(flags, "RESTORE",
             "Restoring the keys of '{}': its data in {} becomes readable again for its nodes. Do "
             "it only when the reason for the revocation is gone.",
             CmekGoal::kRestored);
}

Status CmekDisenrol(const CmekFlags& flags) {
  return Act(flags, "DISENROL",
             "Leaving the keys of '{}': its data in {} goes back under the operator's key, and "
             "can no longer be taken away by you. What your keys wrapped until now stays "
             "readable by them: keep them as long as backups of that time are wanted.",
             CmekGoal::kLeft);
}

Status CmekRekey(const CmekFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(CmekPath(api, flags.cluster));
  TRY(Change(api, flags, "PATCH", path, {{"action", "REKEY"}}, CmekGoal::kEnabled));
  Remark(flags,
         "rekey: a new KEK over the same DEKs. An old keyring with the key that wrapped it still "
         "opens the data; only a re-encryption cuts that off.");
  return {};
}

Status CmekReencrypt(const CmekFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(CmekPath(api, flags.cluster));
  TRY(Change(api, flags, "PATCH", path, {{"action", "REENCRYPT"}}, CmekGoal::kEnabled));
  Remark(flags,
         "re-encrypt: new DEKs and a new KEK. Until 'cmek status' says 0 bytes under 'left keys "
         "read', old DEKs still open what is left; copies made before stay under them.");
  return {};
}

Status CmekManifest(const CmekFlags& flags) {
  std::vector<std::string> regions = flags.regions;
  if (!flags.cluster.empty()) {
    ApiClient api = TRY(Connect(flags.common));
    const std::string path = TRY(CmekPath(api, flags.cluster));
    const ApiAnswer info = TRY(api.Get(path));
    for (const json::value& item : ListOf(info.body, "region_infos")) {
      regions.push_back(FieldOf(item.as_object(), "region"));
    }
  }
  if (regions.empty()) regions.emplace_back("{REGION}");
  Print(TRY(EmptyManifest(flags.type, regions, flags.common.json)));
  return {};
}

}  // namespace freehold::cli
