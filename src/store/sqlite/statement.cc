#include "store/sqlite/statement.h"

#include <utility>

#include "fmt/format.h"

namespace freehold::store {

Database::~Database() {
  for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  sqlite3_close_v2(opened_);
}

Error Database::Failed(std::string_view doing) const {
  const int code = sqlite3_errcode(opened_);
  const std::string words = fmt::format("{}: {}", doing, sqlite3_errmsg(opened_));
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error(ErrorCode::kNotReady,
                   fmt::format("{}: another program is writing to it; try again", doing));
    case SQLITE_FULL:
      return Error(ErrorCode::kNoSpace, words);
    case SQLITE_CONSTRAINT:
      return Error(ErrorCode::kAlreadyExists, words);
    default:
      return Error(ErrorCode::kIo, words);
  }
}

Status Database::Execute(const std::string& sql) {
  if (sqlite3_exec(opened_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return Failed("the store");
}

Result<Statement> Statement::Prepare(Database& database, std::string_view sql) {
  if (const auto idle = database.idle_.find(sql); idle != database.idle_.end()) {
    sqlite3_stmt* const statement = idle->second;
    database.idle_.erase(idle);
    return Statement(database, statement);
  }
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database.opened_, sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return database.Failed("the store");
  }
  return Statement(database, statement);
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      bound_(other.bound_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  database_.idle_.emplace(sqlite3_sql(statement_), statement_);
}

Statement& Statement::Bind(std::string_view text) {
  sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                    SQLITE_STATIC);
  return *this;
}

Statement& Statement::Bind(std::uint64_t number) {
  sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(number));
  return *this;
}

Result<bool> Statement::Step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return database_.Failed("the store");
  }
}

Status Statement::Run() {
  while (TRY(Step())) {
  }
  return {};
}

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr
             ? ""
             : std::string(text,
                           static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::uint64_t Statement::Number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}

}  // namespace freehold::store
