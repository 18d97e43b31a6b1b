// Projects, and the keys of all clusters of one.
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

void PrintProjects(const json::array& items) {
  std::vector<Row> rows;
  for (const json::value& item : items) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "name"), FieldOf(one, "id"), FieldOf(one, "cmek_enabled"),
                    FieldOf(one, "created_at")});
  }
  PrintTable({"NAME", "ID", "CMEK", "MADE AT"}, rows);
}

void PrintProject(const json::object& one) {
  PrintFields({{"name", FieldOf(one, "name")},
               {"id", FieldOf(one, "id")},
               {"organization", FieldOf(one, "organization_id")},
               {"made at", FieldOf(one, "created_at")},
               {"CMEK", FieldOf(one, "cmek_enabled")}});
}

// {"code": 9, "message": "..."}, or null.
std::string RefusalOf(const json::object& cluster) {
  const json::value* refusal = cluster.if_contains("refusal");
  return refusal != nullptr && refusal->is_object() ? FieldOf(refusal->as_object(), "message") : "";
}

void PrintProjectKeys(const json::object& info) {
  std::vector<Row> keys;
  for (const json::value& item : ListOf(info, "region_specs")) {
    const json::object& spec = item.as_object();
    const json::object& key = spec.at("key_spec").as_object();
    keys.push_back({FieldOf(spec, "region"), FieldOf(key, "type"), FieldOf(key, "uri")});
  }
  PrintTable({"REGION", "TYPE", "KEY"}, keys);
  Print("");
  std::vector<Row> clusters;
  for (const json::value& item : ListOf(info, "clusters")) {
    const json::object& one = item.as_object();
    clusters.push_back({FieldOf(one, "cluster_name"), FieldOf(one, "status"),
                        FieldOf(one, "service_state"), RefusalOf(one)});
  }
  PrintTable({"CLUSTER", "KEYS", "STATE", "REFUSED"}, clusters);
  const std::string warning = FieldOf(info, "restore_warning");
  if (FieldOf(info, "revoked") == "true" && !warning.empty()) Print("\n" + warning);
}

// One refusal makes the command fail, after all rows were shown.
Status ShowOutcome(const ApiAnswer& answer, const ProjectFlags& flags) {
  Show(answer, flags.common, PrintProjectKeys);
  std::size_t refused = 0;
  const auto& clusters = ListOf(answer.body, "clusters");
  for (const json::value& item : clusters) refused += RefusalOf(item.as_object()).empty() ? 0 : 1;
  if (refused == 0) return {};
  return Error(ErrorCode::kPrecondition,
               fmt::format("{} of {} clusters refused it", refused, clusters.size()));
}

// Asks for the project's name first, if there is a warning.
Status Change(const ProjectFlags& flags, std::string_view method, std::string_view part,
              const json::object& body, fmt::string_view warning = "") {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kProjects, flags.project));
  if (warning.size() != 0 && !flags.yes) {
    const std::string name = FieldOf(TRY(api.Get(path)).body, "name");
    const ApiAnswer info = TRY(api.Get(path + "/cmek"));
    const std::size_t clusters = ListOf(info.body, "clusters").size();
    const bool is_revocation = FieldOf(body, "action") == "REVOKE";
    const std::string more = is_revocation ? FieldOf(info.body, "restore_warning") : "";
    TRY(AskForName(fmt::vformat(warning, fmt::make_format_args(name, clusters)) +
                       (more.empty() ? "" : " " + more),
                   name, false, "project's name"));
  }
  return ShowOutcome(TRY(api.Send(method, fmt::format("{}/{}", path, part), body)), flags);
}

}  // namespace

Status ProjectList(const ProjectFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.List(kProjects.path, kProjects.field)), flags.common, PrintProjects);
  return {};
}

Status ProjectShow(const ProjectFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kProjects, flags.project));
  Show(TRY(api.Get(path)), flags.common, PrintProject);
  return {};
}

Status ProjectCreate(const ProjectFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const json::object body = {{"name", flags.project}, {"cmek_enabled", flags.cmek}};
  Show(TRY(api.Send("POST", kProjects.path, body)), flags.common, PrintProject);
  return {};
}

Status ProjectKeys(const ProjectFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kProjects, flags.project));
  Show(TRY(api.Get(path + "/cmek")), flags.common, PrintProjectKeys);
  return {};
}

Status ProjectRotate(const ProjectFlags& flags) {
  const json::object manifest = TRY(ReadManifest(flags.file));
  return Change(flags, "PUT", "cmek", manifest);
}

Status ProjectRevoke(const ProjectFlags& flags) {
  return Change(flags, "PATCH", "cmek", {{"action", "REVOKE"}},
                "Revoking the keys of the project '{}': the databases of its {} clusters stop, and "
                "their data is unreadable until another service account restores the keys. In the "
                "KMS, disable a key rather than delete it: a deleted one takes the data and every "
                "backup with it for ever.");
}

Status ProjectRestore(const ProjectFlags& flags) {
  return Change(flags, "PATCH", "cmek", {{"action", "RESTORE"}},
                "Restoring the keys of the project '{}': the data of its {} clusters becomes "
                "readable again for their nodes. Do it only when the reason for the revocation is "
                "gone.");
}

Status ProjectStart(const ProjectFlags& flags) {
  return Change(flags, "PATCH", "state", {{"command", "start"}});
}

Status ProjectStop(const ProjectFlags& flags) {
  return Change(flags, "PATCH", "state", {{"command", "stop"}},
                "Stopping the project '{}': the databases of its {} clusters stop and their "
                "volumes are sealed until they are started again.");
}

}  // namespace freehold::cli
