// The audit log: /api/v1/auditlogevents.
#include <charconv>

#include "api/json_reader.h"
#include "fmt/format.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::AuditRecord;
using control::Permission;

constexpr std::size_t kMostEvents = 1000;

Result<std::uint64_t> NumberIn(const Call& call, const std::string& name, std::uint64_t usual,
                               std::uint64_t least, std::uint64_t most) {
  const auto found = call.query.find(name);
  if (found == call.query.end()) return usual;
  std::uint64_t number = 0;
  const std::string& text = found->second;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = failure == std::errc() && end == text.data() + text.size();
  if (is_number && number >= least && number <= most) return number;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: must be a number from {} to {}", name, least, most));
}

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
         const std::uint64_t after = TRY(NumberIn(call, "after", 0, 0, INT64_MAX));
         const std::uint64_t limit = TRY(NumberIn(call, "limit", 100, 1, kMostEvents));
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
