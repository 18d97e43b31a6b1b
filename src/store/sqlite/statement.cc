#include "store/sqlite/statement.h"

#include "fmt/format.h"

namespace freehold::store {

Error SqliteError(sqlite3* connection, std::string_view doing) {
  const int code = sqlite3_errcode(connection);
  const std::string words = fmt::format("{}: {}", doing, sqlite3_errmsg(connection));
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

Result<Statement> Statement::Prepare(sqlite3* connection, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement,
                         nullptr) != SQLITE_OK) {
    return SqliteError(connection, "the store");
  }
  return Statement(connection, statement);
}

Statement& Statement::Bind(std::string_view text) {
  sqlite3_bind_text(statement_.get(), ++bound_, text.data(), static_cast<int>(text.size()),
                    SQLITE_STATIC);
  return *this;
}

Statement& Statement::Bind(std::uint64_t number) {
  sqlite3_bind_int64(statement_.get(), ++bound_, static_cast<sqlite3_int64>(number));
  return *this;
}

Result<bool> Statement::Step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return SqliteError(connection_, "the store");
  }
}

Status Statement::Run() {
  while (TRY(Step())) {
  }
  return {};
}

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text == nullptr
             ? ""
             : std::string(
                   text, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

std::uint64_t Statement::Number(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

}  // namespace freehold::store
