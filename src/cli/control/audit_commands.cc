#include "cli/control/commands.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kPage = 1000;  // the most that the API gives at once

}  // namespace

Status EachAuditPage(ApiClient& api, std::uint64_t after,
                     const std::function<Status(const ApiAnswer&)>& take) {
  std::string seen = std::to_string(after);
  for (;;) {
    const ApiAnswer page =
        TRY(api.Get(fmt::format("{}?limit={}&after={}", kAuditLog, kPage, seen)));
    TRY(take(page));
    const json::array& entries = ListOf(page.body, "entries");
    if (entries.size() < kPage) return {};
    const std::string last = FieldOf(entries.back().as_object(), "position");
    if (last == seen) return Error(ErrorCode::kIo, "the server's answer is not what its API says");
    seen = last;
  }
}

Status AuditList(const AuditFlags& flags) {
  std::vector<Row> rows;
  ApiClient api = TRY(Connect(flags.common));
  TRY(EachAuditPage(api, flags.after, [&](const ApiAnswer& page) -> Status {
    if (flags.common.json) {
      Print(page.text);
      return {};
    }
    for (const json::value& item : ListOf(page.body, "entries")) {
      const json::object& one = item.as_object();
      std::string action = FieldOf(one, "action");
      constexpr std::string_view kPrefix = "AUDIT_LOG_ACTION_";
      if (action.starts_with(kPrefix)) action.erase(0, kPrefix.size());
      rows.push_back({FieldOf(one, "position"), FieldOf(one, "created_at"), action,
                      FieldOf(one, "cluster_name"), FieldOf(one, "service_account_name")});
    }
    return {};
  }));
  if (!flags.common.json) PrintTable({"POSITION", "AT", "ACTION", "CLUSTER", "BY"}, rows);
  return {};
}

Status AuditExport(const AuditFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  return EachAuditPage(api, flags.after, [](const ApiAnswer& page) -> Status {
    for (const json::value& item : ListOf(page.body, "entries")) Print(json::serialize(item));
    return {};
  });
}

Status AuditHeadShow(const AuditFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Print(TRY(api.Get(fmt::format("{}/head", kAuditLog))).text);
  return {};
}

Status AuditKeysShow(const AuditFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.Get(fmt::format("{}/keys", kAuditLog))), flags.common,
       [](const json::object& answer) {
         for (const json::value& item : ListOf(answer, "keys")) {
           std::string pem = FieldOf(item.as_object(), "public_key");
           while (pem.ends_with('\n')) pem.pop_back();
           Print(pem);
         }
       });
  return {};
}

}  // namespace freehold::cli
