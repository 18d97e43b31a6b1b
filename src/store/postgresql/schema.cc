#include "store/postgresql/schema.h"

#include <array>
#include <span>

#include "crypto/crypto.h"
#include "store/rows.h"

namespace freehold::store {
namespace {

// Ids and names are bytes: compared as such whatever the database's collation is, and not
// disordered when that changes with a new C library.
constexpr std::array kFirst = {
    "CREATE TABLE IF NOT EXISTS freehold_state ("
    "  one INT8 PRIMARY KEY, epoch TEXT NOT NULL, revision INT8 NOT NULL, sequence INT8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS freehold_records ("
    "  kind INT8 NOT NULL, id BYTEA NOT NULL, owner BYTEA NOT NULL, name BYTEA,"
    "  revision INT8 NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id))",
    "CREATE UNIQUE INDEX IF NOT EXISTS freehold_records_by_owner"
    "  ON freehold_records (kind, owner, id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS freehold_records_by_name"
    "  ON freehold_records (kind, owner, name)",
    "CREATE INDEX IF NOT EXISTS freehold_records_by_revision ON freehold_records (kind, revision)",
    "CREATE TABLE IF NOT EXISTS freehold_audit ("
    "  sequence INT8 PRIMARY KEY, organization BYTEA NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS freehold_audit_by_organization"
    "  ON freehold_audit (organization, sequence)",
    "CREATE TABLE IF NOT EXISTS freehold_changes ("
    "  slot INT8 PRIMARY KEY, revision INT8 NOT NULL, token BYTEA NOT NULL)",
};

constexpr std::array kSecond = {
    "ALTER TABLE freehold_audit ADD COLUMN IF NOT EXISTS position INT8 NOT NULL DEFAULT 0",
    "ALTER TABLE freehold_audit ADD COLUMN IF NOT EXISTS seal TEXT NOT NULL DEFAULT ''",
    "CREATE UNIQUE INDEX IF NOT EXISTS freehold_audit_by_position"
    "  ON freehold_audit (organization, position) WHERE position > 0",
    "CREATE INDEX IF NOT EXISTS freehold_audit_unsealed"
    "  ON freehold_audit (sequence) WHERE position = 0",
};

using Statements = std::span<const char* const>;

// Each brings the tables from the version before to its own; a released one never changes.
constexpr std::array<Statements, 2> kMigrations = {Statements(kFirst), Statements(kSecond)};

Result<std::uint64_t> Version(Session& session) {
  TRY(session.Run(
      "CREATE TABLE IF NOT EXISTS freehold_schema (one INT8 PRIMARY KEY, version INT8 NOT NULL)"));
  TRY(session.Run(
      "INSERT INTO freehold_schema (one, version) VALUES (1, 0) ON CONFLICT (one) DO NOTHING"));
  const Rows rows = TRY(session.Run("SELECT version FROM freehold_schema WHERE one = 1"));
  if (rows.size() != 1) return StateLost();
  return rows.Number(0, 0);
}

Status BeginState(Session& session) {
  TRY(
      session.Run("INSERT INTO freehold_state (one, epoch, revision, sequence) "
                  "VALUES (1, $1, 0, 0) ON CONFLICT (one) DO NOTHING",
                  {Parameter::Text(HexEncode(RandomBytes(16)))}));
  return {};
}

}  // namespace

Status MigrateSchema(Session& session, Deadline deadline) {
  session.Reset(deadline);
  const std::uint64_t present = TRY(Version(session));
  TRY(CheckSchemaVersion(present, kMigrations.size()));
  for (std::uint64_t next = present; next < kMigrations.size(); ++next) {
    for (const char* statement : kMigrations[next]) TRY(session.Run(statement));
    if (next == 0) TRY(BeginState(session));
    TRY(session.Run("UPDATE freehold_schema SET version = $2 WHERE version = $1",
                    {Parameter::Number(next), Parameter::Number(next + 1)}));
  }
  const Rows state = TRY(session.Run("SELECT revision FROM freehold_state WHERE one = 1"));
  if (state.size() == 1) return {};
  return StateLost();
}

}  // namespace freehold::store
