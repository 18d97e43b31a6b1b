#include "store/sqlite/sqlite_store.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "control/store_conformance.h"
#include "store/sqlite/statement.h"

namespace freehold::store {
namespace {

class SqliteOpener {
 public:
  SqliteOpener() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~SqliteOpener() { std::filesystem::remove_all(directory_); }
  std::unique_ptr<control::Store> Open() { return std::move(*OpenSqliteStore(path())); }
  std::string path() const { return directory_ + "/freehold.db"; }

 private:
  std::string directory_ = "/tmp/freehold-store-XXXXXX";
};

}  // namespace
}  // namespace freehold::store

namespace freehold::control {
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, StoreConformance, store::SqliteOpener);
}  // namespace freehold::control

namespace freehold::store {
namespace {

TEST(SqliteStore, ItsFileIsItsOwnersAlone) {
  SqliteOpener opener;
  const auto store = opener.Open();
  struct stat file {};
  ASSERT_EQ(stat(opener.path().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST(SqliteStore, AFileOfANewerReleaseIsRefused) {
  SqliteOpener opener;
  opener.Open();
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(opener.path().c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(raw, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(raw);
  EXPECT_EQ(OpenSqliteStore(opener.path()).error().code(), ErrorCode::kUnsupportedVersion);
}

TEST(SqliteStore, WhatIsNoDatabaseIsRefusedAndLeftAsItIs) {
  SqliteOpener opener;
  std::ofstream(opener.path()) << "this is not a database, but somebody's letter\n";
  std::filesystem::permissions(opener.path(), std::filesystem::perms(0600));
  const auto refused = OpenSqliteStore(opener.path());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), testing::HasSubstr(opener.path()));
  EXPECT_GT(std::filesystem::file_size(opener.path()), 20u);
  EXPECT_FALSE(OpenSqliteStore("/nowhere/at/all.db").ok());
}

TEST(SqliteStore, AChangeWaitsForAnotherProgramForAWhileAndAReadNotAtAll) {
  SqliteOpener opener;
  const auto store = std::move(*OpenSqliteStore(opener.path(), std::chrono::milliseconds(50)));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(opener.path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto nothing = [](control::Transaction&) -> Status { return {}; };
  const Status waited = store->Change(nothing);
  EXPECT_EQ(waited.error().code(), ErrorCode::kNotReady);
  EXPECT_THAT(waited.error().message(), testing::HasSubstr("another program"));
  EXPECT_TRUE(store->Read(nothing).ok());
  sqlite3_close(other);
  EXPECT_TRUE(store->Change(nothing).ok());
}

TEST(SqliteStore, AChangeWaitsForAnotherThreadForAWhile) {
  SqliteOpener opener;
  const auto store = std::move(*OpenSqliteStore(opener.path(), std::chrono::milliseconds(50)));
  const auto nothing = [](control::Transaction&) -> Status { return {}; };
  EXPECT_TRUE(store
                  ->Change([&](control::Transaction&) -> Status {
                    std::thread([&] {
                      EXPECT_EQ(store->Change(nothing).error().code(), ErrorCode::kNotReady);
                    }).join();
                    return {};
                  })
                  .ok());
}

}  // namespace
}  // namespace freehold::store
