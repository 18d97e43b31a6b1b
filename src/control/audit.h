// What is written down of every change: who did what to what, when; sealed, and its heads signed.
//
// Changes of a store are one after the other, whichever server makes them: the transaction that
// writes an entry seals it, and is the one sealer. Threads: safe; Note and SealEntries are those of
// the transaction. Errors: kForbidden for who may not read it. Spec: docs/api/audit.md,
// decision 17.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "api/audit_chain.h"
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

// Seals what has no seal yet, oldest first, at most so many; the answer is how many it were.
Result<std::size_t> SealEntries(Transaction& transaction, std::size_t limit);

// A key by which heads are or were signed.
struct AuditKey {
  std::string id;
  std::string public_pem;
  WallTime used_since;
};

// The log as the caller's organization reads it.
class AuditLog {
 public:
  AuditLog(Store& store, const Clock& clock, SigningKey key)
      : store_(store), clock_(clock), key_(std::move(key)) {}

  // Before anything else: seals entries of the time before there were seals, and says by which key
  // heads are signed from now on.
  Status Begin();

  // With a position above `after`, in their order.
  Result<std::vector<AuditRecord>> Events(const Caller& caller, std::uint64_t after,
                                          std::size_t limit);
  Result<api::AuditHead> Head(const Caller& caller);
  // All that ever signed, in the order of their ids.
  Result<std::vector<AuditKey>> Keys(const Caller& caller);

 private:
  Store& store_;
  const Clock& clock_;
  const SigningKey key_;
};

}  // namespace freehold::control
