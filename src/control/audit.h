// What is written down of every change: who did what to what, when. Threads: those of the
// transaction. Spec: docs/api/audit.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "base/clock.h"
#include "control/access.h"
#include "control/store.h"

namespace freehold::control {

struct AuditNote {
  std::string_view action;  // "REVOKE_CMEK": AUDIT_LOG_ACTION_ goes before it
  Place at;
  std::string cluster_name = {};
};

// In the transaction of the change itself: no change without its entry, and none without a change.
// `payload` is what was asked for, without secrets.
Status Note(Transaction& transaction, const Clock& clock, const Caller& caller,
            const AuditNote& note, const boost::json::object& payload);

}  // namespace freehold::control
