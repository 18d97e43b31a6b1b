// PostgresqlTransaction: the records of one transaction, on a session that has begun it.
//
// A change locks the state's row first, so that changes are one after the other over all servers
// and each begins with what the one before has left. Its revision, its audit numbers and a token
// that no other change has are written by Seal(), last. Errors: as of Session::Run; kInternal for
// a read that writes. Threads: one. Spec: control/store.h, decision 16.
#pragma once

#include "control/store.h"
#include "store/postgresql/session.h"

namespace freehold::store {

// What a change leaves of itself, for asking later whether it was made.
struct Trace {
  std::uint64_t revision = 0;  // 0: it has changed nothing
  std::string token;
};

// Whether it was; for a change whose transaction may not have ended yet, after it has. kNotReady
// when so many others came since that there is no telling. Within a transaction of its own, which
// writes, so that its commit is not acknowledged before that of the change.
Result<bool> WasMade(Session& session, const Trace& trace);

class PostgresqlTransaction : public control::Transaction {
 public:
  explicit PostgresqlTransaction(Session& session) : session_(session) {}

  // For a change: before anything else, and after everything else.
  Status Lock();
  Result<Trace> Seal();

  Result<std::optional<control::Record>> Get(control::Kind kind, const std::string& id) override;
  Result<std::optional<control::Record>> Find(control::Kind kind, const std::string& owner,
                                              const std::string& name) override;
  Result<std::vector<control::Record>> List(control::Kind kind, const std::string& owner,
                                            const control::Page& page) override;
  Result<std::vector<control::Record>> ChangedSince(control::Kind kind,
                                                    std::uint64_t revision) override;
  Status Put(const control::Record& record) override;
  Status Remove(control::Kind kind, const std::string& id) override;
  Status RaiseRevision(std::uint64_t revision) override;
  Status Append(const control::AuditRecord& event) override;
  Result<std::vector<control::AuditRecord>> Events(const std::string& organization,
                                                   std::uint64_t after, std::size_t limit) override;
  Result<std::optional<control::AuditRecord>> LastSealed(const std::string& organization) override;
  Result<std::vector<control::AuditRecord>> Unsealed(std::size_t limit) override;
  Status PutSeal(const control::AuditRecord& event) override;

 private:
  Status Writes();

  Session& session_;
  bool locked_ = false;
  bool writes_ = false;
  std::uint64_t revision_ = 0;  // of the state, and once writes_ of this change
  std::uint64_t sequence_ = 0;
};

}  // namespace freehold::store
