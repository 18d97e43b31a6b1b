// The audit log: /api/v1/auditlogevents, its head and the keys that sign it.
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::Permission;

constexpr std::size_t kMostEvents = 1000;

}  // namespace

std::vector<Route> AuditRoutes(control::AuditLog& log) {
  return {
      {"GET",
       "/api/v1/auditlogevents",
       {"ListAuditLogs", "", "AuditLog", "after limit"},
       Permission::kManageAccess,
       "Who changed what, oldest first; `after` is the `position` of the last one seen",
       [&](const Call& call) -> Result<json::object> {
         const std::uint64_t after = TRY(call.NumberWanted("after", 0, 0, INT64_MAX));
         const std::uint64_t limit = TRY(call.NumberWanted("limit", 100, 1, kMostEvents));
         json::array entries;
         for (const auto& event : TRY(log.Events(call.caller, after, limit))) {
           entries.push_back(TRY(api::EntryJson(event.position, event.seal, event.body)));
         }
         return json::object{{"entries", std::move(entries)}};
       }},
      {"GET",
       "/api/v1/auditlogevents/head",
       {"GetAuditLogHead", "", "AuditLogHead"},
       Permission::kManageAccess,
       "The seal of the newest entry, signed: to be kept where the operator cannot reach it",
       [&](const Call& call) -> Result<json::object> {
         return api::ToJson(TRY(log.Head(call.caller)));
       }},
      {"GET",
       "/api/v1/auditlogevents/keys",
       {"ListAuditLogKeys", "", "AuditLogKeys"},
       Permission::kManageAccess,
       "The public keys by which heads are, or were, signed",
       [&](const Call& call) -> Result<json::object> {
         json::array keys;
         for (const control::AuditKey& key : TRY(log.Keys(call.caller))) {
           keys.push_back({{"key_id", key.id},
                           {"public_key", key.public_pem},
                           {"used_since", FormatTime(key.used_since)}});
         }
         return json::object{{"keys", std::move(keys)}};
       }},
  };
}

}  // namespace freehold::server
