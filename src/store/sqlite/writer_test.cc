// Changes that share a commit, by threads that wait for each other.
#include "store/sqlite/writer.h"

#include <filesystem>
#include <stdexcept>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::store {
namespace {

class WriterTest : public testing::Test {
 protected:
  WriterTest() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    sqlite3* opened = nullptr;
    EXPECT_EQ(sqlite3_open((directory_ + "/file").c_str(), &opened), SQLITE_OK);
    auto database = std::make_unique<Database>(opened);
    EXPECT_TRUE(database->Execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)").ok());
    sqlite3_commit_hook(opened, OnCommit, this);
    writer_ = std::make_unique<Writer>(std::move(database), std::chrono::seconds(20));
  }
  ~WriterTest() override { std::filesystem::remove_all(directory_); }

  // One begins, and is at it until all the others wait; each does its own work after it.
  std::vector<Status> Together(const std::vector<Writer::Work>& others) {
    std::vector<Status> ended(others.size() + 1);
    std::vector<std::thread> threads;
    ended[0] = writer_->Change([&](Database& database) -> Status {
      for (std::size_t i = 0; i < others.size(); ++i) {
        threads.emplace_back([&, i] { ended[i + 1] = writer_->Change(others[i]); });
      }
      while (writer_->waiting() < others.size()) std::this_thread::yield();
      return Insert(database, 0);
    });
    for (std::thread& thread : threads) thread.join();
    return ended;
  }

  static Status Insert(Database& database, std::uint64_t number) {
    Statement insert = TRY(Statement::Prepare(database, "INSERT INTO numbers VALUES (?1)"));
    return insert.Bind(number).Run();
  }
  static Writer::Work Inserts(std::uint64_t number) {
    return [number](Database& database) { return Insert(database, number); };
  }
  std::vector<std::uint64_t> Numbers() {
    std::vector<std::uint64_t> numbers;
    const auto read = [&](Database& database) -> Status {
      Statement select =
          TRY(Statement::Prepare(database, "SELECT number FROM numbers ORDER BY number"));
      while (TRY(select.Step())) numbers.push_back(select.Number(0));
      return {};
    };
    EXPECT_TRUE(writer_->Change(read).ok());
    return numbers;
  }

  std::unique_ptr<Writer> writer_;
  int commits_ = 0;
  bool refuses_commits_ = false;

 private:
  static int OnCommit(void* test_pointer) {
    auto& test = *static_cast<WriterTest*>(test_pointer);
    ++test.commits_;
    return test.refuses_commits_ ? 1 : 0;
  }

  std::string directory_ = "/tmp/freehold-writer-XXXXXX";
};

TEST_F(WriterTest, ThoseWhoWaitAreCommittedAtOnce) {
  for (const Status& ended : Together({Inserts(1), Inserts(2), Inserts(3), Inserts(4)})) {
    EXPECT_TRUE(ended.ok());
  }
  EXPECT_EQ(commits_, 1);
  EXPECT_THAT(Numbers(), testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(WriterTest, WhatIsRefusedTakesBackItselfAlone) {
  const auto refused = [](Database& database) -> Status {
    TRY(Insert(database, 7));
    return Error(ErrorCode::kPrecondition, "no");
  };
  const auto ended = Together({Inserts(1), refused, Inserts(2)});
  EXPECT_TRUE(ended[1].ok());
  ASSERT_FALSE(ended[2].ok());
  EXPECT_EQ(ended[2].error().code(), ErrorCode::kPrecondition);
  EXPECT_TRUE(ended[3].ok());
  EXPECT_THAT(Numbers(), testing::ElementsAre(0, 1, 2));
}

TEST_F(WriterTest, WhatThrowsTakesBackItselfAlone) {
  bool thrown = false;
  std::thread other;
  EXPECT_TRUE(writer_
                  ->Change([&](Database& database) -> Status {
                    other = std::thread([&] {
                      try {
                        EXPECT_FALSE(writer_
                                         ->Change([](Database& own) -> Status {
                                           TRY(Insert(own, 7));
                                           throw std::runtime_error("surprise");
                                         })
                                         .ok());
                      } catch (const std::runtime_error&) {
                        thrown = true;
                      }
                    });
                    while (writer_->waiting() == 0) std::this_thread::yield();
                    return Insert(database, 0);
                  })
                  .ok());
  other.join();
  EXPECT_TRUE(thrown);
  EXPECT_THAT(Numbers(), testing::ElementsAre(0));
}

TEST_F(WriterTest, ACommitThatFailsIsHeardByAllWhomItWasFor) {
  refuses_commits_ = true;
  for (const Status& ended : Together({Inserts(1), Inserts(2)})) EXPECT_FALSE(ended.ok());
  refuses_commits_ = false;
  EXPECT_THAT(Numbers(), testing::IsEmpty());
  EXPECT_TRUE(writer_->Change(Inserts(5)).ok());
  EXPECT_THAT(Numbers(), testing::ElementsAre(5));
}

// As SQLite does by itself when a disk is full.
TEST_F(WriterTest, ATransactionThatIsGoneIsHeardByAllWhoWereInIt) {
  const auto lose = [](Database& database) -> Status {
    TRY(database.Execute("ROLLBACK"));
    return Error(ErrorCode::kNoSpace, "full");
  };
  const auto ended = Together({lose});
  for (const Status& one : ended) {
    ASSERT_FALSE(one.ok());
    EXPECT_EQ(one.error().code(), ErrorCode::kNoSpace);
  }
  EXPECT_THAT(Numbers(), testing::IsEmpty());
}

}  // namespace
}  // namespace freehold::store
