#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/posix_file.h"
#include "crypto/crypto.h"
#include "fmt/format.h"
#include "store/pool.h"
#include "store/rows.h"
#include "store/sqlite/statement.h"
#include "store/sqlite/writer.h"

namespace freehold::store {
namespace {

using control::AuditRecord;
using control::Kind;
using control::Page;
using control::Record;
using control::StoreState;
using control::Transaction;

// Each brings the file from the version before to its own; a released one never changes.
constexpr std::array<std::string_view, 2> kMigrations = {
    // 1
    "CREATE TABLE state (epoch TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;"
    "CREATE TABLE records ("
    "  kind INTEGER NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, name TEXT,"
    "  revision INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX records_by_owner ON records (kind, owner, id);"
    "CREATE UNIQUE INDEX records_by_name ON records (kind, owner, name);"
    "CREATE INDEX records_by_revision ON records (kind, revision);"
    "CREATE TABLE audit (sequence INTEGER PRIMARY KEY, organization TEXT NOT NULL,"
    "  body TEXT NOT NULL) STRICT;"
    "CREATE INDEX audit_by_organization ON audit (organization, sequence);",
    // 2
    "ALTER TABLE audit ADD COLUMN position INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE audit ADD COLUMN seal TEXT NOT NULL DEFAULT '';"
    "CREATE UNIQUE INDEX audit_by_position ON audit (organization, position) WHERE position > 0;"
    "CREATE INDEX audit_unsealed ON audit (sequence) WHERE position = 0;"
    "DROP INDEX audit_by_organization;",
};

constexpr std::string_view kColumns = "kind, id, owner, coalesce(name, ''), body, revision";

Record RecordIn(const Statement& row) {
  return {static_cast<Kind>(row.Number(0)),
          row.Text(1),
          row.Text(2),
          row.Text(3),
          row.Text(4),
          row.Number(5)};
}

Result<std::vector<Record>> AllOf(Statement& statement) {
  std::vector<Record> records;
  while (TRY(statement.Step())) records.push_back(RecordIn(statement));
  return records;
}

Result<std::optional<Record>> OneOf(Statement& statement) {
  if (!TRY(statement.Step())) return std::optional<Record>();
  return std::optional<Record>(RecordIn(statement));
}

Result<std::vector<AuditRecord>> EventsIn(Statement& statement) {
  std::vector<AuditRecord> events;
  while (TRY(statement.Step())) {
    events.push_back({statement.Number(0), statement.Text(1), statement.Text(2),
                      statement.Number(3), statement.Text(4)});
  }
  return events;
}

class SqliteTransaction : public Transaction {
 public:
  explicit SqliteTransaction(Database& database) : database_(database) {}

  Result<std::optional<Record>> Get(Kind kind, const std::string& id) override {
    Statement select = TRY(Select("WHERE kind = ?1 AND id = ?2"));
    return OneOf(select.Bind(NumberOf(kind)).Bind(id));
  }
  Result<std::optional<Record>> Find(Kind kind, const std::string& owner,
                                     const std::string& name) override {
    Statement select = TRY(Select("WHERE kind = ?1 AND owner = ?2 AND name = ?3"));
    return OneOf(select.Bind(NumberOf(kind)).Bind(owner).Bind(name));
  }
  Result<std::vector<Record>> List(Kind kind, const std::string& owner, const Page& page) override {
    Statement select =
        TRY(Select("WHERE kind = ?1 AND owner = ?2 AND id > ?3 ORDER BY id LIMIT ?4"));
    return AllOf(
        select.Bind(NumberOf(kind)).Bind(owner).Bind(page.after).Bind(LimitOf(page.limit)));
  }
  Result<std::vector<Record>> ChangedSince(Kind kind, std::uint64_t revision) override {
    Statement select = TRY(Select("WHERE kind = ?1 AND revision > ?2 ORDER BY revision, id"));
    return AllOf(select.Bind(NumberOf(kind)).Bind(revision));
  }

  Status Put(const Record& record) override {
    TRY(TakeRevision());
    if (!record.name.empty()) {
      const auto other = TRY(Find(record.kind, record.owner, record.name));
      if (other.has_value() && other->id != record.id) {
        return NameTaken(record.name);
      }
    }
    Statement put = TRY(Statement::Prepare(
        database_,
        "INSERT INTO records (kind, id, owner, name, body, revision) "
        "VALUES (?1, ?2, ?3, nullif(?4, ''), ?5, ?6) ON CONFLICT (kind, id) DO UPDATE SET "
        "owner = excluded.owner, name = excluded.name, body = excluded.body, "
        "revision = excluded.revision"));
    return put.Bind(NumberOf(record.kind))
        .Bind(record.id)
        .Bind(record.owner)
        .Bind(record.name)
        .Bind(record.body)
        .Bind(revision_)
        .Run();
  }
  Status Remove(Kind kind, const std::string& id) override {
    TRY(TakeRevision());
    Statement remove =
        TRY(Statement::Prepare(database_, "DELETE FROM records WHERE kind = ?1 AND id = ?2"));
    return remove.Bind(NumberOf(kind)).Bind(id).Run();
  }

  Status RaiseRevision(std::uint64_t revision) override {
    Statement raise =
        TRY(Statement::Prepare(database_, "UPDATE state SET revision = max(revision, ?1)"));
    TRY(raise.Bind(revision).Run());
    revision_ = 0;
    return TakeRevision();
  }

  Status Append(const AuditRecord& event) override {
    TRY(TakeRevision());
    Statement insert = TRY(
        Statement::Prepare(database_, "INSERT INTO audit (organization, body) VALUES (?1, ?2)"));
    return insert.Bind(event.organization).Bind(event.body).Run();
  }
  Result<std::vector<AuditRecord>> Events(const std::string& organization, std::uint64_t after,
                                          std::size_t limit) override {
    Statement select =
        TRY(SelectEvents("WHERE organization = ?1 AND position > ?2 AND position > 0 "
                         "ORDER BY position LIMIT ?3"));
    return EventsIn(select.Bind(organization).Bind(after).Bind(LimitOf(limit)));
  }
  Result<std::optional<AuditRecord>> LastSealed(const std::string& organization) override {
    Statement select = TRY(
        SelectEvents("WHERE organization = ?1 AND position > 0 ORDER BY position DESC LIMIT 1"));
    return Newest(TRY(EventsIn(select.Bind(organization))));
  }
  Result<std::vector<AuditRecord>> Unsealed(std::size_t limit) override {
    Statement select = TRY(SelectEvents("WHERE position = 0 ORDER BY sequence LIMIT ?1"));
    return EventsIn(select.Bind(LimitOf(limit)));
  }
  Status PutSeal(const AuditRecord& event) override {
    TRY(TakeRevision());
    Statement put = TRY(Statement::Prepare(
        database_, "UPDATE audit SET position = ?1, seal = ?2 WHERE sequence = ?3"));
    return put.Bind(event.position).Bind(event.seal).Bind(event.sequence).Run();
  }

 private:
  Result<Statement> Select(const std::string& where) {
    return Statement::Prepare(database_, fmt::format("SELECT {} FROM records {}", kColumns, where));
  }
  Result<Statement> SelectEvents(const std::string& where) {
    return Statement::Prepare(
        database_,
        fmt::format("SELECT sequence, organization, body, position, seal FROM audit {}", where));
  }
  // All of a transaction's changes have the same one.
  Status TakeRevision() {
    if (revision_ != 0) return {};
    TRY(database_.Execute("UPDATE state SET revision = revision + 1"));
    Statement select = TRY(Statement::Prepare(database_, "SELECT revision FROM state"));
    TRY(select.Step());
    revision_ = select.Number(0);
    return {};
  }

  Database& database_;
  std::uint64_t revision_ = 0;
};

// Whatever ends a read: an error, and an exception too.
class RollbackAtEnd {
 public:
  explicit RollbackAtEnd(Database& database) : database_(database) {}
  ~RollbackAtEnd() {
    if (sqlite3_get_autocommit(database_.get()) != 0)
      return;  // committed, or rolled back by itself
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  RollbackAtEnd(const RollbackAtEnd&) = delete;
  RollbackAtEnd& operator=(const RollbackAtEnd&) = delete;

 private:
  Database& database_;
};

class SqliteStore : public control::Store {
 public:
  SqliteStore(Connection writer, Pool<Connection>::Make new_reader,
              std::chrono::milliseconds patience)
      : patience_(patience),
        writer_(std::move(writer), patience),
        readers_(std::move(new_reader), kReaders) {}

  Status Change(const std::function<Status(Transaction&)>& work) override {
    return writer_.Change([&](Database& database) -> Status {
      SqliteTransaction transaction(database);
      return work(transaction);
    });
  }
  Status Read(const std::function<Status(Transaction&)>& work) override {
    auto reader = TRY(readers_.Take(In(patience_)));
    const Status read = ReadIn(**reader, work);
    reader.Keep();
    return read;
  }
  Result<StoreState> State() override {
    auto reader = TRY(readers_.Take(In(patience_)));
    auto state = StateIn(**reader);
    reader.Keep();
    return state;
  }
  Result<control::Durability> HowDurable() override { return control::Durability::kLocal; }

  Status Migrate() {
    return writer_.Change([](Database& database) -> Status {
      Statement version = TRY(Statement::Prepare(database, "PRAGMA user_version"));
      TRY(version.Step());
      const std::uint64_t present = version.Number(0);
      TRY(version.Run());
      TRY(CheckSchemaVersion(present, kMigrations.size()));
      for (std::uint64_t next = present; next < kMigrations.size(); ++next) {
        TRY(database.Execute(std::string(kMigrations[next])));
        if (next == 0) TRY(BeginState(database));
        TRY(database.Execute(fmt::format("PRAGMA user_version = {}", next + 1)));
      }
      Statement rows = TRY(Statement::Prepare(database, "SELECT count(*) FROM state"));
      TRY(rows.Step());
      return rows.Number(0) == 1 ? Status() : StateLost();
    });
  }

 private:
  static constexpr std::size_t kReaders = 8;

  static Result<StoreState> StateIn(Database& database) {
    Statement select = TRY(Statement::Prepare(database, "SELECT epoch, revision FROM state"));
    TRY(select.Step());
    return StoreState{select.Text(0), select.Number(1)};
  }
  static Status ReadIn(Database& database, const std::function<Status(Transaction&)>& work) {
    TRY(database.Execute("BEGIN"));
    const RollbackAtEnd rollback(database);
    SqliteTransaction transaction(database);
    TRY(work(transaction));
    return database.Execute("COMMIT");
  }
  static Status BeginState(Database& database) {
    const std::string epoch = HexEncode(RandomBytes(16));
    Statement begin =
        TRY(Statement::Prepare(database, "INSERT INTO state (epoch, revision) VALUES (?1, 0)"));
    return begin.Bind(epoch).Run();
  }

  const std::chrono::milliseconds patience_;
  Writer writer_;
  Pool<Connection> readers_;
};

// Made with its mode before SQLite would make it with another; one that others may write, or that
// a link leads to, is not ours to trust.
Status CheckFile(const std::string& path) {
  const UniqueFd file = TRY(OpenFile(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat found {};
  if (fstat(file.get(), &found) != 0) return ErrnoError(errno, path);
  if (found.st_uid == geteuid() && (found.st_mode & 077) == 0) return {};
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("{} is open to others; it must be ours with mode 0600", path));
}

Result<Connection> Connect(const std::string& path, std::chrono::milliseconds patience) {
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  auto connection = std::make_unique<Database>(opened);
  if (code != SQLITE_OK) return connection->Failed(path);
  sqlite3_busy_timeout(opened, static_cast<int>(patience.count()));
  for (const char* setting : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                              "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF"}) {
    if (auto set = connection->Execute(setting); !set.ok()) return set.error().Because(path);
  }
  return connection;
}

Result<Connection> ConnectReader(const std::string& path, std::chrono::milliseconds patience) {
  Connection connection = TRY(Connect(path, patience));
  TRY(connection->Execute("PRAGMA query_only = ON"));
  return connection;
}

}  // namespace

Result<std::unique_ptr<control::Store>> OpenSqliteStore(const std::string& path,
                                                        std::chrono::milliseconds patience) {
  TRY(CheckFile(path));
  auto store = std::make_unique<SqliteStore>(
      TRY(Connect(path, patience)), [=] { return ConnectReader(path, patience); }, patience);
  if (auto migrated = store->Migrate(); !migrated.ok()) return migrated.error().Because(path);
  return std::unique_ptr<control::Store>(std::move(store));
}

}  // namespace freehold::store
