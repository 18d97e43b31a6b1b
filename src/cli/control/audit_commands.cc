#include "cli/control/commands.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kPage = 1000;  // the most that the API gives at once

// Calls `take` for each page, up to the newest entry.
Status EachPage(const AuditFlags& flags, const std::function<void(const ApiAnswer&)>& take) {
  ApiClient api = TRY(Connect(flags.common));
  std::string after = std::to_string(flags.after);
  for (;;) {
    const ApiAnswer page =
        TRY(api.Get(fmt::format("/api/v1/auditlogevents?limit={}&after={}", kPage, after)));
    take(page);
    const json::array& entries = ListOf(page.body, "entries");
    if (entries.size() < kPage) return {};
    after = FieldOf(entries.back().as_object(), "sequence");
  }
}

}  // namespace

Status AuditList(const AuditFlags& flags) {
  std::vector<Row> rows;
  TRY(EachPage(flags, [&](const ApiAnswer& page) {
    if (flags.common.json) return Print(page.text);
    for (const json::value& item : ListOf(page.body, "entries")) {
      const json::object& one = item.as_object();
      std::string action = FieldOf(one, "action");
      constexpr std::string_view kPrefix = "AUDIT_LOG_ACTION_";
      if (action.starts_with(kPrefix)) action.erase(0, kPrefix.size());
      rows.push_back({FieldOf(one, "sequence"), FieldOf(one, "created_at"), action,
                      FieldOf(one, "cluster_name"), FieldOf(one, "service_account_name")});
    }
  }));
  if (!flags.common.json) PrintTable({"SEQUENCE", "AT", "ACTION", "CLUSTER", "BY"}, rows);
  return {};
}

Status AuditExport(const AuditFlags& flags) {
  return EachPage(flags, [](const ApiAnswer& page) {
    for (const json::value& item : ListOf(page.body, "entries")) Print(json::serialize(item));
  });
}

}  // namespace freehold::cli
