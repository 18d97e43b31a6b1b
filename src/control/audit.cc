#include "control/audit.h"

#include <boost/json.hpp>

#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {

Status Note(Transaction& transaction, const Clock& clock, const Caller& caller,
            const AuditNote& note, const boost::json::object& payload) {
  const boost::json::object entry = {{"id", NewUuid()},
                                     {"action", fmt::format("AUDIT_LOG_ACTION_{}", note.action)},
                                     {"created_at", FormatTime(clock.Wall())},
                                     {"organization_id", note.at.organization},
                                     {"project_id", note.at.project},
                                     {"cluster_id", note.at.cluster},
                                     {"cluster_name", note.cluster_name},
                                     {"service_account_id", caller.service_account},
                                     {"service_account_name", caller.name},
                                     {"payload", payload}};
  return transaction.Append({0, note.at.organization, boost::json::serialize(entry)});
}

}  // namespace freehold::control
