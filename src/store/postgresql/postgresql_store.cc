#include "store/postgresql/postgresql_store.h"

#include <map>
#include <thread>

#include "crypto/crypto.h"
#include "store/pool.h"
#include "store/postgresql/schema.h"
#include "store/postgresql/session.h"
#include "store/postgresql/transaction.h"
#include "store/rows.h"

namespace freehold::store {
namespace {

using control::Durability;
using control::StoreState;
using control::Transaction;
using std::chrono::milliseconds;

using Sessions = Pool<std::unique_ptr<Session>>;
using Work = std::function<Status(Transaction&)>;

constexpr std::size_t kMostSessions = 10;
constexpr const char* kBeginChange = "BEGIN ISOLATION LEVEL SERIALIZABLE";
constexpr const char* kBeginRead = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY";

// One try of a transaction.
struct Attempt {
  Status status;
  bool again = false;
};

// Two servers that were told to try again at once are not to meet again.
milliseconds SomeOf(milliseconds pause) { return pause * (64 + RandomBytes(1).front()) / 256; }

template <typename Try>
Status TryUntil(Deadline deadline, const Try& one) {
  for (milliseconds pause(4);; pause = std::min(2 * pause, milliseconds(250))) {
    Attempt attempt = one();
    if (!attempt.again || In(pause) >= deadline) return attempt.status;
    std::this_thread::sleep_for(SomeOf(pause));
  }
}

Error DatabaseLost() {
  return Error(ErrorCode::kNotReady,
               "the store's database failed, and nothing was changed; try again");
}

Error OutcomeUnknown(const Error& why) {
  return Error(
      ErrorCode::kTimeout,
      "the store's database failed while it committed this change, and whether it was made "
      "is not known; look before trying again (" +
          why.message() + ")");
}

Durability DurabilityIn(std::map<std::string, std::string>& settings) {
  if (!settings.contains("synchronous_standby_names")) return Durability::kUnknown;
  const std::string& waits = settings["synchronous_commit"];
  const bool here_only = settings["synchronous_standby_names"].empty() || waits == "local";
  const bool asynchronous = here_only || waits == "off" || settings["fsync"] == "off";
  return asynchronous ? Durability::kAsynchronous : Durability::kSynchronous;
}

class PostgresqlStore : public control::Store {
 public:
  PostgresqlStore(const DatabaseUrl& url, milliseconds patience)
      : patience_(patience), sessions_([url] { return Session::Open(url); }, kMostSessions) {}

  // All servers' changes queue at one row; ours come to it one at a time.
  Status Change(const Work& work) override {
    const Deadline deadline = In(patience_);
    const auto alone = TRY(changes_.Take(deadline));
    return TryUntil(deadline, [&] { return TryChange(work, deadline); });
  }
  Status Read(const Work& work) override {
    return Look([&](Session& session) {
      PostgresqlTransaction transaction(session);
      return work(transaction);
    });
  }
  Result<StoreState> State() override {
    StoreState state;
    TRY(Look([&](Session& session) -> Status {
      const Rows rows =
          TRY(session.Run("SELECT epoch, revision FROM freehold_state WHERE one = 1"));
      if (rows.size() != 1) return StateLost();
      state = {rows.Text(0, 0), rows.Number(0, 1)};
      return {};
    }));
    return state;
  }
  Result<Durability> HowDurable() override {
    std::map<std::string, std::string> settings;
    TRY(Look([&](Session& session) -> Status {
      const Rows rows = TRY(
          session.Run("SELECT name::TEXT, setting::TEXT FROM pg_catalog.pg_settings WHERE name IN "
                      "('fsync', 'synchronous_commit', 'synchronous_standby_names')"));
      for (int row = 0; row < rows.size(); ++row) settings[rows.Text(row, 0)] = rows.Text(row, 1);
      return {};
    }));
    return DurabilityIn(settings);
  }

  // What fails at the first try is the configuration's fault more often than the network's.
  Status Start() {
    auto session = TRY(sessions_.Take(In(patience_)));
    // Another server may be making the same tables.
    TRY(TryUntil(In(patience_), [&] {
      Status migrated = MigrateSchema(**session, In(patience_));
      const bool again = !migrated.ok() && (migrated.error().code() == ErrorCode::kAlreadyExists ||
                                            (*session)->trouble() == Trouble::kAgain);
      return Attempt{std::move(migrated), again};
    }));
    session.Keep();
    return {};
  }

 private:
  using OnSession = std::function<Status(Session&)>;

  // Nothing when it is not known whether it was committed.
  std::optional<Attempt> TryOnce(const char* begin, Deadline deadline, const OnSession& work) {
    auto taken = sessions_.Take(deadline);
    if (!taken.ok()) return Attempt{taken.error(), true};
    Session& session = ***taken;
    Status ended = [&]() -> Status {
      TRY(session.Begin(begin, deadline));
      return work(session);
    }();
    return Finish(*taken, std::move(ended));
  }

  Attempt TryChange(const Work& work, Deadline deadline) {
    Trace trace;
    auto attempt = TryOnce(kBeginChange, deadline, [&](Session& session) -> Status {
      PostgresqlTransaction transaction(session);
      TRY(transaction.Lock());
      TRY(work(transaction));
      trace = TRY(transaction.Seal());
      return {};
    });
    return attempt.has_value() ? std::move(*attempt) : Ask(trace);
  }

  Status Look(const OnSession& work) {
    const Deadline deadline = In(patience_);
    return TryUntil(deadline, [&] {
      return TryOnce(kBeginRead, deadline, work).value_or(Attempt{DatabaseLost(), true});
    });
  }

  // Commits or takes back.
  std::optional<Attempt> Finish(Sessions::Lease& lease, Status ended) {
    Session& session = **lease;
    if (session.trouble() == Trouble::kNone && ended.ok()) {
      const Committed committed = session.Commit(In(patience_));
      if (committed == Committed::kYes) lease.Keep();
      if (committed == Committed::kYes) return Attempt{};
      if (committed == Committed::kUnknown) sessions_.Clear();
      if (committed == Committed::kUnknown) return std::nullopt;
      ended = DatabaseLost();
    }
    const Trouble trouble = session.trouble();
    if (trouble == Trouble::kLost) {
      sessions_.Clear();  // those of the same server are as lost
    } else if (session.Rollback().ok()) {
      lease.Keep();
    }
    // Work that heeds no failure is no success.
    if (trouble != Trouble::kNone && ended.ok()) ended = DatabaseLost();
    return Attempt{std::move(ended), trouble != Trouble::kNone};
  }

  // What became of a change whose commit was not acknowledged.
  Attempt Ask(const Trace& trace) {
    if (trace.revision == 0) return {DatabaseLost(), true};  // it had changed nothing
    const Deadline deadline = In(patience_);
    bool made = false;
    const Status asked = TryUntil(deadline, [&] {
      return TryOnce(kBeginChange, deadline,
                     [&](Session& session) -> Status {
                       made = TRY(WasMade(session, trace));
                       return {};
                     })
          .value_or(Attempt{DatabaseLost(), true});
    });
    if (!asked.ok()) return {OutcomeUnknown(asked.error()), false};
    if (made) return {};
    return {DatabaseLost(), true};
  }

  const milliseconds patience_;
  Turns changes_{1};
  Sessions sessions_;
};

}  // namespace

Result<std::unique_ptr<control::Store>> OpenPostgresqlStore(const DatabaseUrl& url,
                                                            milliseconds patience) {
  auto store = std::make_unique<PostgresqlStore>(url, patience);
  TRY(store->Start());
  return std::unique_ptr<control::Store>(std::move(store));
}

}  // namespace freehold::store
