#include "store/postgresql/postgresql_store.h"

#include "control/store_conformance.h"
#include "store/postgresql/local_postgresql.h"

namespace freehold::store {
namespace {

class PostgresqlOpener {
 public:
  std::unique_ptr<control::Store> Open() { return std::move(*TryToOpen()); }
  Result<std::unique_ptr<control::Store>> TryToOpen(
      std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    return OpenPostgresqlStore(TRY(DatabaseUrl::Parse(server_.UrlOf(database_), "")), patience);
  }
  void Execute(const std::string& sql) { server_.Execute(database_, sql); }
  std::unique_ptr<Session> NewSession() { return server_.NewSession(database_); }

 private:
  LocalPostgresql& server_ = LocalPostgresql::Get();
  std::string database_ = server_.NewDatabase();
};

}  // namespace
}  // namespace freehold::store

namespace freehold::control {
INSTANTIATE_TYPED_TEST_SUITE_P(Postgresql, StoreConformance, store::PostgresqlOpener);
}  // namespace freehold::control

namespace freehold::store {
namespace {

using control::Durability;
using control::Kind;
using control::Record;
using control::Transaction;
using testing::HasSubstr;

constexpr const char* kEndTheOthers =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid()";

Status PutOne(Transaction& transaction) {
  return transaction.Put({Kind::kCluster, "c", "o", "", "{}", 0});
}

TEST(PostgresqlStore, ASchemaOfANewerReleaseIsRefused) {
  PostgresqlOpener opener;
  opener.Open();
  opener.Execute("UPDATE freehold_schema SET version = 99");
  const auto refused = opener.TryToOpen();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupportedVersion);
  EXPECT_THAT(refused.error().message(), HasSubstr("version 99"));
}

TEST(PostgresqlStore, AStoreThatHasLostItsStateIsRefused) {
  PostgresqlOpener opener;
  opener.Open();
  opener.Execute("DELETE FROM freehold_state");
  EXPECT_EQ(opener.TryToOpen().error().code(), ErrorCode::kFileCorrupt);
}

TEST(PostgresqlStore, ServersThatStartTogetherMakeOneStore) {
  PostgresqlOpener opener;
  std::vector<std::thread> servers;
  std::vector<std::string> epochs(6);
  for (std::string& epoch : epochs) {
    servers.emplace_back([&] { epoch = opener.Open()->State()->epoch; });
  }
  for (std::thread& server : servers) server.join();
  EXPECT_THAT(epochs, testing::Each(epochs.front()));
}

TEST(PostgresqlStore, AMigrationThatWasCutShortIsDoneOnceMore) {
  PostgresqlOpener opener;
  const std::string epoch = opener.Open()->State()->epoch;
  opener.Execute("UPDATE freehold_schema SET version = 0");
  opener.Execute("DROP INDEX freehold_records_by_name");
  opener.Execute("DROP TABLE freehold_changes");
  EXPECT_EQ(opener.Open()->State()->epoch, epoch);
  EXPECT_TRUE(opener.Open()->Change(PutOne).ok());
}

TEST(PostgresqlStore, ItsSessionsAreLostAndNobodyNotices) {
  PostgresqlOpener opener;
  const auto store = opener.Open();
  ASSERT_TRUE(store->Change(PutOne).ok());
  opener.Execute(kEndTheOthers);
  EXPECT_TRUE(store->Read([](Transaction&) -> Status { return {}; }).ok());
  opener.Execute(kEndTheOthers);
  int tries = 0;
  ASSERT_TRUE(store
                  ->Change([&](Transaction& transaction) -> Status {
                    TRY(PutOne(transaction));
                    if (++tries == 1) opener.Execute(kEndTheOthers);
                    return {};
                  })
                  .ok());
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(store->State()->revision, 2u);
}

// At the commit's own checks, and the first time only: a sequence is not taken back.
constexpr const char* kEndAtCommit =
    "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); "
    "PERFORM pg_sleep(1); END IF; RETURN NULL; END $$";

TEST(PostgresqlStore, AChangeThatIsLostBeforeItWasCommittedIsMadeOnce) {
  PostgresqlOpener opener;
  const auto store = opener.Open();
  opener.Execute("CREATE SEQUENCE commits");
  opener.Execute(kEndAtCommit);
  opener.Execute(
      "CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON freehold_records DEFERRABLE INITIALLY "
      "DEFERRED FOR EACH ROW EXECUTE FUNCTION end_session()");
  int tries = 0;
  const Status changed = store->Change([&](Transaction& transaction) -> Status {
    ++tries;
    return PutOne(transaction);
  });
  EXPECT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(store->State()->revision, 1u);
}

// A standby that every commit waits for, and that is not there.
class WithoutItsStandby : public testing::Test {
 protected:
  ~WithoutItsStandby() override { WaitForStandby(false); }

  // A reload reaches the server's processes one by one; the last is the one that commits ask.
  void WaitForStandby(bool wait) {
    opener_.Execute(wait ? "ALTER SYSTEM SET synchronous_standby_names = 'absent'"
                         : "ALTER SYSTEM RESET synchronous_standby_names");
    opener_.Execute("SELECT pg_reload_conf()");
    while (wait && ACommitEnds()) {
    }
    while (wait && ToThoseThatWait("pg_terminate_backend")) {
    }
  }
  bool ACommitEnds() {
    const auto session = opener_.NewSession();
    session->Reset(In(std::chrono::milliseconds(200)));
    return session->Run("UPDATE freehold_schema SET version = version").ok();
  }
  // Does it to each session that waits in its commit; true when there was one.
  bool ToThoseThatWait(const std::string& function) {
    const auto session = opener_.NewSession();
    const auto rows = session->Run(
        ("SELECT " + function + "(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            .c_str());
    return rows.ok() && rows->size() > 0;
  }
  void UntilOneWaits(const std::string& function) {
    const Deadline deadline = In(std::chrono::seconds(20));
    while (!ToThoseThatWait(function)) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }

  PostgresqlOpener opener_;
  const std::unique_ptr<control::Store> store_ = opener_.Open();
};

TEST_F(WithoutItsStandby, AChangeWhoseCommitIsCutShortIsAcknowledgedOnlyWhenTheStandbyHasIt) {
  // The server answers the one with COMMIT and a warning, and leaves the other without an answer.
  for (const char* cut : {"pg_cancel_backend", "pg_terminate_backend"}) {
    const std::uint64_t before = store_->State()->revision;
    WaitForStandby(true);
    int tries = 0;
    std::atomic<bool> acknowledged = false;
    std::thread change([&] {
      const Status changed = store_->Change([&](Transaction& transaction) -> Status {
        ++tries;
        return PutOne(transaction);
      });
      acknowledged = true;
      EXPECT_TRUE(changed.ok()) << changed.error().message();
    });
    UntilOneWaits(cut);
    UntilOneWaits("abs");
    EXPECT_FALSE(acknowledged);
    WaitForStandby(false);
    change.join();
    EXPECT_EQ(tries, 1) << cut;
    EXPECT_EQ(store_->State()->revision, before + 1) << cut;
  }
}

TEST_F(WithoutItsStandby, AChangeWhoseOutcomeStaysUnknownIsSaidToBe) {
  const auto impatient = std::move(*opener_.TryToOpen(std::chrono::milliseconds(300)));
  WaitForStandby(true);
  const Status changed = impatient->Change(PutOne);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code(), ErrorCode::kTimeout);
  EXPECT_THAT(changed.error().message(), HasSubstr("is not known"));
  const Status next = impatient->Change(PutOne);  // behind the first, which still waits
  EXPECT_EQ(next.error().code(), ErrorCode::kNotReady);
  EXPECT_EQ(*impatient->HowDurable(), Durability::kSynchronous);
}

TEST(PostgresqlStore, AChangeThatWaitsTooLongSaysThatTheStoreIsBusy) {
  PostgresqlOpener opener;
  const auto store = opener.Open();
  const auto impatient = std::move(*opener.TryToOpen(std::chrono::milliseconds(300)));
  ASSERT_TRUE(store
                  ->Change([&](Transaction&) -> Status {
                    const Status refused = impatient->Change(PutOne);
                    EXPECT_EQ(refused.error().code(), ErrorCode::kNotReady);
                    EXPECT_TRUE(impatient->State().ok());
                    return {};
                  })
                  .ok());
  EXPECT_TRUE(impatient->Change(PutOne).ok());
}

TEST(PostgresqlStore, TextThatItCannotKeepIsTheCallersFault) {
  PostgresqlOpener opener;
  const Status refused = opener.Open()->Change([](Transaction& transaction) {
    return transaction.Put({Kind::kCluster, "c", "o", "", std::string("a\0b", 3), 0});
  });
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
}

TEST(PostgresqlStore, SaysWhetherAnotherMachineHasAChangeBeforeItsAcknowledgement) {
  PostgresqlOpener opener;
  EXPECT_EQ(*opener.Open()->HowDurable(), Durability::kAsynchronous);
}

TEST(PostgresqlStore, AServerThatIsNotThereIsNamedWithoutThePassword) {
  const auto url = DatabaseUrl::Parse("postgresql://u:hunter2@127.0.0.1:1/freehold", "");
  const auto refused = OpenPostgresqlStore(*url);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kNotReady);
  EXPECT_THAT(refused.error().message(), HasSubstr("127.0.0.1:1/freehold"));
  EXPECT_THAT(refused.error().message(), testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(refused.error().message(), testing::Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace freehold::store
