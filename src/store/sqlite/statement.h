// Statement: one prepared SQL statement of SQLite, bound, stepped and read.
//
// Thin: finalized when it goes. Errors: as SQLite's codes say, with its words. Threads: those of
// the connection.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::store {

struct CloseConnection {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

// What this connection says went wrong.
Error SqliteError(sqlite3* connection, std::string_view doing);

class Statement {
 public:
  // Text must outlive the statement; it is not copied.
  static Result<Statement> Prepare(sqlite3* connection, std::string_view sql);

  // The parameters ?1, ?2, ... in their order.
  Statement& Bind(std::string_view text);
  Statement& Bind(std::uint64_t number);

  // True: there is a row to be read.
  Result<bool> Step();
  // To the end, for what gives no rows.
  Status Run();

  std::string Text(int column) const;
  std::uint64_t Number(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Statement(sqlite3* connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}

  sqlite3* connection_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

}  // namespace freehold::store
