#include "store/postgresql/session.h"

#include <endian.h>
#include <poll.h>

#include <array>
#include <cstring>

#include "fmt/format.h"

namespace freehold::store {
namespace {

// Of pg_type; CockroachDB has the same.
constexpr unsigned int kByteaType = 17, kInt8Type = 20, kTextType = 25;
constexpr int kBinary = 1;

// libpq's words are lines, with advice indented below each.
std::string InOneLine(std::string_view words) {
  std::string line;
  while (!words.empty()) {
    const auto end = std::min(words.find('\n'), words.size());
    const std::string_view part = words.substr(0, end);
    if (!part.empty() && part.front() != '\t')
      line += (line.empty() ? "" : "; ") + std::string(part);
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return line;
}

std::string_view FieldOf(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

// The server ends, starts, or is a standby by now: another session may find a better one.
bool IsOfAServerThatGoes(std::string_view state) {
  return state.empty() || state.starts_with("08") || state.starts_with("57P") || state == "25006" ||
         state == "40003";
}

}  // namespace

Parameter Parameter::Bytes(std::string_view bytes) {
  return Parameter(kByteaType, std::string(bytes));
}

Parameter Parameter::BytesOrNull(std::string_view bytes) {
  Parameter parameter = Bytes(bytes);
  parameter.null_ = bytes.empty();
  return parameter;
}

Parameter Parameter::Text(std::string_view text) { return Parameter(kTextType, std::string(text)); }

Parameter Parameter::Number(std::uint64_t number) {
  const std::uint64_t wire = htobe64(number);
  std::string bytes(sizeof wire, '\0');
  std::memcpy(bytes.data(), &wire, sizeof wire);
  return Parameter(kInt8Type, std::move(bytes));
}

std::string Rows::Text(int row, int column) const {
  return std::string(PQgetvalue(result_.get(), row, column),
                     static_cast<std::size_t>(PQgetlength(result_.get(), row, column)));
}

std::uint64_t Rows::Number(int row, int column) const {
  std::uint64_t wire = 0;
  if (PQgetlength(result_.get(), row, column) != sizeof wire) return 0;
  std::memcpy(&wire, PQgetvalue(result_.get(), row, column), sizeof wire);
  return be64toh(wire);
}

Result<std::unique_ptr<Session>> Session::Open(const DatabaseUrl& url) {
  // The URL, as `dbname`, overrides what stands before it.
  constexpr std::array kWords = {"connect_timeout",           "target_session_attrs",
                                 "fallback_application_name", "dbname",
                                 "client_encoding",           ""};
  const std::array kValues = {"3",        "read-write",
                              "freehold", url.secret_text().c_str(),
                              "UTF8",     static_cast<const char*>(nullptr)};
  auto words = kWords;
  words.back() = nullptr;
  std::unique_ptr<Session> session(new Session(PQconnectdbParams(words.data(), kValues.data(), 1)));
  PGconn* connection = session->connection_.get();
  if (PQstatus(connection) != CONNECTION_OK) {
    return Error(ErrorCode::kNotReady,
                 fmt::format("the store at {} cannot be reached: {}", url.place(),
                             InOneLine(PQerrorMessage(connection))));
  }
  // A service file may have named the host.
  if (PQsslInUse(connection) == 0 && !IsThisMachine(PQhost(connection))) {
    return Error(ErrorCode::kInvalidArgument,
                 "the store is on another machine and its sslmode allows to do without TLS; say "
                 "sslmode=verify-full");
  }
  PQsetNoticeReceiver(connection, OnNotice, session.get());
  session->deadline_ = In(std::chrono::seconds(5));
  // A lock that someone holds, or a server of ours that hangs while it holds one.
  TRY(session->Run("SET statement_timeout = '10s'"));
  TRY(session->Run("SET idle_in_transaction_session_timeout = '15s'"));
  return session;
}

void Session::OnNotice(void* session, const PGresult* notice) {
  if (FieldOf(notice, PG_DIAG_SEVERITY_NONLOCALIZED) == "WARNING") {
    static_cast<Session*>(session)->warned_ = true;
  }
}

Status Session::Begin(const char* begin, Deadline deadline) {
  Reset(deadline);
  TRY(Run(begin));
  return {};
}

Result<Rows> Session::Run(const char* sql, const std::vector<Parameter>& parameters) {
  warned_ = false;
  ended_by_server_ = false;
  TRY(Send(sql, parameters));
  std::unique_ptr<PGresult, ClearResult> last;
  for (;;) {
    while (PQisBusy(connection_.get()) != 0) TRY(Await(false));
    std::unique_ptr<PGresult, ClearResult> next(PQgetResult(connection_.get()));
    if (next == nullptr) break;
    last = std::move(next);
  }
  const ExecStatusType status = PQresultStatus(last.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return Rows(last.release());
  return Failed(last.get());
}

Status Session::Send(const char* sql, const std::vector<Parameter>& parameters) {
  std::vector<unsigned int> types;
  std::vector<const char*> values;
  std::vector<int> sizes;
  for (const Parameter& parameter : parameters) {
    types.push_back(parameter.type());
    values.push_back(parameter.data());
    sizes.push_back(parameter.size());
  }
  const std::vector<int> formats(parameters.size(), kBinary);
  PGconn* connection = connection_.get();
  PQsetnonblocking(connection, 1);
  if (PQsendQueryParams(connection, sql, static_cast<int>(parameters.size()), types.data(),
                        values.data(), sizes.data(), formats.data(), kBinary) == 0) {
    return Lost(PQerrorMessage(connection));
  }
  for (;;) {
    const int left = PQflush(connection);
    if (left == 0) return {};
    if (left < 0) return Lost(PQerrorMessage(connection));
    TRY(Await(true));
  }
}

Status Session::Await(bool to_write) {
  using std::chrono::milliseconds;
  const auto left = std::chrono::ceil<milliseconds>(deadline_ - std::chrono::steady_clock::now());
  const short events = to_write ? POLLIN | POLLOUT : POLLIN;
  pollfd socket{PQsocket(connection_.get()), events, 0};
  const int ready =
      left <= milliseconds(0)
          ? 0
          : poll(&socket, 1, static_cast<int>(std::min(left, milliseconds(60'000)).count()));
  if (ready == 0 && std::chrono::steady_clock::now() >= deadline_) {
    return Lost("it did not answer in time");
  }
  if (PQconsumeInput(connection_.get()) == 0) return Lost(PQerrorMessage(connection_.get()));
  return {};
}

Committed Session::Commit(Deadline deadline) {
  deadline_ = deadline;
  const auto ended = Run("COMMIT");
  if (ended.ok()) {
    if (ended->Tag() == "ROLLBACK")
      return Committed::kNo;  // as after a failure that was not heeded
    // PostgreSQL says COMMIT to one that was kept from waiting for its standby, and warns.
    return warned_ ? Committed::kUnknown : Committed::kYes;
  }
  return ended_by_server_ ? Committed::kNo : Committed::kUnknown;
}

Status Session::Rollback() {
  TRY(Run("ROLLBACK"));
  return {};
}

Error Session::Lost(std::string_view why) {
  trouble_ = Trouble::kLost;
  return Error(ErrorCode::kNotReady,
               fmt::format("the store's database was lost: {}", InOneLine(why)));
}

Error Session::Failed(const PGresult* result) {
  const std::string_view state = FieldOf(result, PG_DIAG_SQLSTATE);
  const std::string words = InOneLine(FieldOf(result, PG_DIAG_MESSAGE_PRIMARY));
  if (PQstatus(connection_.get()) != CONNECTION_OK || IsOfAServerThatGoes(state)) {
    return Lost(words.empty() ? PQerrorMessage(connection_.get()) : words);
  }
  ended_by_server_ = true;
  if (state == "40001" || state == "40P01") {
    trouble_ = Trouble::kAgain;
    return Error(ErrorCode::kNotReady, "the store is busy with other changes; try again");
  }
  const std::string sentence = fmt::format("the store's database: {}", words);
  if (state == "57014" || state == "55P03") return Error(ErrorCode::kNotReady, sentence);
  // 42P07, 42710: two servers that make the same table at once.
  if (state == "23505" || state == "42P07" || state == "42710")
    return Error(ErrorCode::kAlreadyExists, sentence);
  if (state == "53100") return Error(ErrorCode::kNoSpace, sentence);
  if (state == "22021" || state == "22P05") return Error(ErrorCode::kInvalidArgument, sentence);
  return Error(ErrorCode::kIo, fmt::format("{} (SQLSTATE {})", sentence, state));
}

}  // namespace freehold::store
