// Database: one connection to an SQLite file, with the statements that it has prepared.
// Statement: one of them, bound, stepped and read.
//
// Thin. What is prepared is kept for its next use: to parse a statement takes longer than to run
// it. Errors: as SQLite's codes say, with its words. Threads: one at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::store {

class Database {
 public:
  explicit Database(sqlite3* opened) : opened_(opened) {}
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  sqlite3* get() const { return opened_; }
  // SQL without parameters, whose rows nobody wants.
  Status Execute(const std::string& sql);
  // What it says went wrong.
  Error Failed(std::string_view doing) const;

 private:
  friend class Statement;

  sqlite3* const opened_;
  std::multimap<std::string, sqlite3_stmt*, std::less<>> idle_;  // by their SQL
};
using Connection = std::unique_ptr<Database>;

class Statement {
 public:
  // The database outlives it.
  static Result<Statement> Prepare(Database& database, std::string_view sql);
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // The parameters ?1, ?2, ... in their order. Text must outlive the statement; it is not copied.
  Statement& Bind(std::string_view text);
  Statement& Bind(std::uint64_t number);

  // True: there is a row to be read.
  Result<bool> Step();
  // To the end, for what gives no rows.
  Status Run();

  std::string Text(int column) const;
  std::uint64_t Number(int column) const;

 private:
  Statement(Database& database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  Database& database_;
  sqlite3_stmt* statement_;  // null: moved from
  int bound_ = 0;
};

}  // namespace freehold::store
