// Session: one connection to a PostgreSQL server, and what its failures mean.
//
// Statements have their values bound, never written into their text. Every wait ends at the
// deadline, also where the server hangs; the session is lost then. After a failure trouble() says
// whether the whole transaction may be tried again; it stays until the next Begin().
// Errors: kNotReady for a server that is gone, hangs or wants the transaction again; kAlreadyExists
// for what a unique index refuses; kNoSpace; kInvalidArgument for text it cannot keep; kIo.
// Threads: one at a time. Spec: PostgreSQL, "libpq", "Error Codes"; decision 16.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/pool.h"
#include "store/postgresql/database_url.h"

namespace freehold::store {

// One value of a statement: $1, $2, ...; bytes for BYTEA, text for TEXT, numbers for INT8.
class Parameter {
 public:
  static Parameter Bytes(std::string_view bytes);
  static Parameter BytesOrNull(std::string_view bytes);  // NULL when empty
  static Parameter Text(std::string_view text);
  static Parameter Number(std::uint64_t number);

  unsigned int type() const { return type_; }
  const char* data() const { return null_ ? nullptr : value_.data(); }
  int size() const { return static_cast<int>(value_.size()); }

 private:
  Parameter(unsigned int type, std::string value) : type_(type), value_(std::move(value)) {}

  unsigned int type_;
  std::string value_;
  bool null_ = false;
};

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};

class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result) {}

  int size() const { return PQntuples(result_.get()); }
  // What was done: "COMMIT", "ROLLBACK", "UPDATE 1".
  std::string_view Tag() const { return PQcmdStatus(result_.get()); }
  // Of a BYTEA or TEXT column; NULL is "".
  std::string Text(int row, int column) const;
  // Of an INT8 column.
  std::uint64_t Number(int row, int column) const;

 private:
  std::unique_ptr<PGresult, ClearResult> result_;
};

enum class Trouble {
  kNone,   // or one that trying again does not mend
  kAgain,  // the server took the transaction back, and wants it once more
  kLost,   // the session is gone, and with it a transaction that had not begun to commit
};

enum class Committed { kYes, kNo, kUnknown };

class Session {
 public:
  // kNotReady when there is no such server, or it refuses us.
  static Result<std::unique_ptr<Session>> Open(const DatabaseUrl& url);

  // Everything until the next Begin() ends before the deadline.
  Status Begin(const char* begin, Deadline deadline);
  // One statement; outside of a transaction it is one by itself.
  Result<Rows> Run(const char* sql, const std::vector<Parameter>& parameters = {});
  // kNo with trouble(): as it says; kUnknown: the session is lost, or the server was kept from
  // waiting for its standby.
  Committed Commit(Deadline deadline);
  Status Rollback();

  // For statements outside of a transaction, as Begin() is for one.
  void Reset(Deadline deadline) {
    trouble_ = Trouble::kNone;
    deadline_ = deadline;
  }
  Trouble trouble() const { return trouble_; }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  explicit Session(PGconn* connection) : connection_(connection) {}

  static void OnNotice(void* session, const PGresult* notice);
  Status Send(const char* sql, const std::vector<Parameter>& parameters);
  // Until the socket has something for libpq, or may take something from it.
  Status Await(bool to_write);
  Error Lost(std::string_view why);
  Error Failed(const PGresult* result);

  std::unique_ptr<PGconn, Finish> connection_;
  Deadline deadline_ = Deadline::max();
  Trouble trouble_ = Trouble::kNone;
  bool warned_ = false;
  bool ended_by_server_ = false;  // the last failure was an answer, and the session goes on
};

}  // namespace freehold::store
