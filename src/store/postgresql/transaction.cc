#include "store/postgresql/transaction.h"

#include "crypto/crypto.h"
#include "store/rows.h"

namespace freehold::store {
namespace {

using control::AuditRecord;
using control::Kind;
using control::Page;
using control::Record;

// As many changes as can be asked for later.
constexpr std::uint64_t kSlots = 1024;

#define FREEHOLD_SELECT "SELECT kind, id, owner, name, body, revision FROM freehold_records "
#define FREEHOLD_SELECT_EVENTS \
  "SELECT sequence, organization, body, position, seal FROM freehold_audit "

Parameter Of(Kind kind) { return Parameter::Number(NumberOf(kind)); }

std::vector<Record> RecordsIn(const Rows& rows) {
  std::vector<Record> records;
  for (int row = 0; row < rows.size(); ++row) {
    records.push_back({static_cast<Kind>(rows.Number(row, 0)), rows.Text(row, 1), rows.Text(row, 2),
                       rows.Text(row, 3), rows.Text(row, 4), rows.Number(row, 5)});
  }
  return records;
}

std::optional<Record> RecordIn(const Rows& rows) {
  if (rows.size() == 0) return std::nullopt;
  return RecordsIn(rows).front();
}

std::vector<AuditRecord> EventsIn(const Rows& rows) {
  std::vector<AuditRecord> events;
  for (int row = 0; row < rows.size(); ++row) {
    events.push_back({rows.Number(row, 0), rows.Text(row, 1), rows.Text(row, 2),
                      rows.Number(row, 3), rows.Text(row, 4)});
  }
  return events;
}

}  // namespace

Result<bool> WasMade(Session& session, const Trace& trace) {
  TRY(session.Run("UPDATE freehold_state SET revision = revision WHERE one = 1"));
  const Rows rows = TRY(session.Run("SELECT revision, token FROM freehold_changes WHERE slot = $1",
                                    {Parameter::Number(trace.revision % kSlots)}));
  if (rows.size() == 0 || rows.Number(0, 0) < trace.revision) return false;
  if (rows.Number(0, 0) == trace.revision) return rows.Text(0, 1) == trace.token;
  return Error(ErrorCode::kNotReady, "too many changes came since");
}

Status PostgresqlTransaction::Lock() {
  const Rows state =
      TRY(session_.Run("SELECT revision, sequence FROM freehold_state WHERE one = 1 FOR UPDATE"));
  if (state.size() != 1) return StateLost();
  revision_ = state.Number(0, 0);
  sequence_ = state.Number(0, 1);
  locked_ = true;
  return {};
}

Status PostgresqlTransaction::Writes() {
  if (!locked_) return Error(ErrorCode::kInternal, "a read of the store changes something");
  if (!writes_) ++revision_;
  writes_ = true;
  return {};
}

Result<Trace> PostgresqlTransaction::Seal() {
  if (!writes_) return Trace{};
  const Bytes token = RandomBytes(16);
  const Trace trace{revision_, std::string(AsText(token))};
  TRY(session_.Run("UPDATE freehold_state SET revision = $1, sequence = $2 WHERE one = 1",
                   {Parameter::Number(revision_), Parameter::Number(sequence_)}));
  TRY(session_.Run(
      "INSERT INTO freehold_changes (slot, revision, token) VALUES ($1, $2, $3) "
      "ON CONFLICT (slot) DO UPDATE SET revision = excluded.revision, token = excluded.token",
      {Parameter::Number(revision_ % kSlots), Parameter::Number(revision_),
       Parameter::Bytes(trace.token)}));
  // A commit that waits for its standby is not to be cut short, which would look like one that is
  // done; it is we who do not wait for ever.
  TRY(session_.Run("SET LOCAL statement_timeout = 0"));
  return trace;
}

Result<std::optional<Record>> PostgresqlTransaction::Get(Kind kind, const std::string& id) {
  return RecordIn(TRY(session_.Run(FREEHOLD_SELECT "WHERE kind = $1 AND id = $2",
                                   {Of(kind), Parameter::Bytes(id)})));
}

Result<std::optional<Record>> PostgresqlTransaction::Find(Kind kind, const std::string& owner,
                                                          const std::string& name) {
  return RecordIn(
      TRY(session_.Run(FREEHOLD_SELECT "WHERE kind = $1 AND owner = $2 AND name = $3",
                       {Of(kind), Parameter::Bytes(owner), Parameter::BytesOrNull(name)})));
}

Result<std::vector<Record>> PostgresqlTransaction::List(Kind kind, const std::string& owner,
                                                        const Page& page) {
  return RecordsIn(TRY(session_.Run(
      FREEHOLD_SELECT "WHERE kind = $1 AND owner = $2 AND id > $3 ORDER BY id LIMIT $4",
      {Of(kind), Parameter::Bytes(owner), Parameter::Bytes(page.after),
       Parameter::Number(LimitOf(page.limit))})));
}

Result<std::vector<Record>> PostgresqlTransaction::ChangedSince(Kind kind, std::uint64_t revision) {
  return RecordsIn(
      TRY(session_.Run(FREEHOLD_SELECT "WHERE kind = $1 AND revision > $2 ORDER BY revision, id",
                       {Of(kind), Parameter::Number(revision)})));
}

Status PostgresqlTransaction::Put(const Record& record) {
  TRY(Writes());
  if (!record.name.empty()) {
    const auto other = TRY(Find(record.kind, record.owner, record.name));
    if (other.has_value() && other->id != record.id) return NameTaken(record.name);
  }
  TRY(
      session_.Run("INSERT INTO freehold_records (kind, id, owner, name, body, revision) "
                   "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, id) DO UPDATE SET "
                   "owner = excluded.owner, name = excluded.name, body = excluded.body, "
                   "revision = excluded.revision",
                   {Of(record.kind), Parameter::Bytes(record.id), Parameter::Bytes(record.owner),
                    Parameter::BytesOrNull(record.name), Parameter::Text(record.body),
                    Parameter::Number(revision_)}));
  return {};
}

Status PostgresqlTransaction::Remove(Kind kind, const std::string& id) {
  TRY(Writes());
  TRY(session_.Run("DELETE FROM freehold_records WHERE kind = $1 AND id = $2",
                   {Of(kind), Parameter::Bytes(id)}));
  return {};
}

Status PostgresqlTransaction::RaiseRevision(std::uint64_t revision) {
  TRY(Writes());
  revision_ = std::max(revision_, revision + 1);
  return {};
}

Status PostgresqlTransaction::Append(const AuditRecord& event) {
  TRY(Writes());
  TRY(session_.Run("INSERT INTO freehold_audit (sequence, organization, body) VALUES ($1, $2, $3)",
                   {Parameter::Number(++sequence_), Parameter::Bytes(event.organization),
                    Parameter::Text(event.body)}));
  return {};
}

Result<std::vector<AuditRecord>> PostgresqlTransaction::Events(const std::string& organization,
                                                               std::uint64_t after,
                                                               std::size_t limit) {
  return EventsIn(TRY(session_.Run(FREEHOLD_SELECT_EVENTS
                                   "WHERE organization = $1 AND position > $2 AND position > 0 "
                                   "ORDER BY position LIMIT $3",
                                   {Parameter::Bytes(organization), Parameter::Number(after),
                                    Parameter::Number(LimitOf(limit))})));
}

Result<std::optional<AuditRecord>> PostgresqlTransaction::LastSealed(
    const std::string& organization) {
  return Newest(
      EventsIn(TRY(session_.Run(FREEHOLD_SELECT_EVENTS "WHERE organization = $1 AND position > 0 "
                                                       "ORDER BY position DESC LIMIT 1",
                                {Parameter::Bytes(organization)}))));
}

Result<std::vector<AuditRecord>> PostgresqlTransaction::Unsealed(std::size_t limit) {
  return EventsIn(
      TRY(session_.Run(FREEHOLD_SELECT_EVENTS "WHERE position = 0 ORDER BY sequence LIMIT $1",
                       {Parameter::Number(LimitOf(limit))})));
}

Status PostgresqlTransaction::PutSeal(const AuditRecord& event) {
  TRY(Writes());
  TRY(session_.Run("UPDATE freehold_audit SET position = $1, seal = $2 WHERE sequence = $3",
                   {Parameter::Number(event.position), Parameter::Text(event.seal),
                    Parameter::Number(event.sequence)}));
  return {};
}

#undef FREEHOLD_SELECT
#undef FREEHOLD_SELECT_EVENTS

}  // namespace freehold::store
