// The audit log: /api/v1/auditlogevents.
#include "api/json_reader.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::AuditRecord;
using control::Permission;

constexpr std::size_t kMostEvents = 1000;

}  // namespace

std::vector<Route> AuditRoutes(control::Store& store) {
  return {
      {"GET",
       "/api/v1/auditlogevents",
       {"ListAuditLogs", "", "AuditLog", "after limit"},
       Permission::kManageAccess,
       "Who changed what, oldest first; `after` is the `sequence` of the last one seen",
       [&](const Call& call) -> Result<json::object> {
         const std::string& organization = call.caller.organization;
         TRY(call.caller.Require(Permission::kManageAccess, {organization, "", ""}));
         const std::uint64_t after = TRY(call.NumberWanted("after", 0, 0, INT64_MAX));
         const std::uint64_t limit = TRY(call.NumberWanted("limit", 100, 1, kMostEvents));
         json::array entries;
         TRY(store.Read([&](control::Transaction& transaction) -> Status {
           entries.clear();
           for (const AuditRecord& event : TRY(transaction.Events(organization, after, limit))) {
             json::object entry = TRY(api::ParseObject(event.body, "an audit entry"));
             entry["sequence"] = event.sequence;
             entries.push_back(std::move(entry));
           }
           return {};
         }));
         return json::object{{"entries", std::move(entries)}};
       }},
  };
}

}  // namespace freehold::server
