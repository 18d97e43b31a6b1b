// The fleet in numbers, over a store that is one.
#include "control/fleet.h"

#include <filesystem>

#include "control/counting_store.h"
#include "control/nodes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/sqlite/sqlite_store.h"

namespace freehold::store {
namespace {

using control::Kind;
using control::Transaction;
using testing::ElementsAre;
using testing::Pair;

class FleetTest : public testing::Test {
 protected:
  FleetTest() : directory_(NewDirectory()) {}
  ~FleetTest() override { std::filesystem::remove_all(directory_); }

  static std::string NewDirectory() {
    std::string directory = "/tmp/freehold-store-XXXXXX";
    EXPECT_NE(mkdtemp(directory.data()), nullptr);
    return directory;
  }
  // A node that said this so long ago; nothing: it has joined then, and said nothing yet.
  void AddNode(const std::string& id, const std::optional<std::string>& custody, Duration ago) {
    control::Node node;
    node.id = id;
    node.joined_at = now_ + -ago;
    control::NodeState state;
    state.node = id;
    state.custody = custody.value_or("");
    state.reported_at = node.joined_at;
    ASSERT_TRUE(store_
                    .Change([&](Transaction& transaction) -> Status {
                      TRY(transaction.Put(ToRecord(node)));
                      if (!custody.has_value()) return {};
                      return transaction.Put(ToRecord(state, ""));
                    })
                    .ok());
  }
  control::Fleet Count() {
    control::Fleet fleet;
    EXPECT_TRUE(store_
                    .Read([&](Transaction& transaction) -> Status {
                      fleet = TRY(control::CountFleet(transaction, now_));
                      return {};
                    })
                    .ok());
    return fleet;
  }

  const WallTime now_ = FakeClock().Wall();
  const std::string directory_;
  const std::unique_ptr<control::Store> opened_ =
      std::move(*OpenSqliteStore(directory_ + "/freehold.db"));
  control::CountingStore store_{*opened_};
};

TEST_F(FleetTest, NodesAreCountedByCustodyAndByWhetherTheySpeak) {
  using std::chrono::seconds;
  EXPECT_EQ(Count().longest_silence, Duration(0));
  AddNode("n1", "open", seconds(10));
  AddNode("n2", "open", seconds(100));
  AddNode("n3", "grace", seconds(20));
  AddNode("n4", "", seconds(30));
  AddNode("n5", std::nullopt, seconds(400));
  AddNode("n6", "x\"} 1\nfreehold_nodes 7", seconds(5));  // no label that somebody else makes up
  const control::Fleet fleet = Count();
  EXPECT_THAT(fleet.nodes,
              ElementsAre(Pair("grace", 1), Pair("none", 2), Pair("open", 2), Pair("other", 1)));
  EXPECT_EQ(fleet.connected, 4u);
  EXPECT_EQ(fleet.longest_silence, seconds(400));
}

TEST_F(FleetTest, WhatIsRefusedIsNoErrorOfTheStore) {
  const auto fail = [&](ErrorCode code) {
    EXPECT_FALSE(store_.Change([&](Transaction&) -> Status { return Error(code, "no"); }).ok());
  };
  fail(ErrorCode::kPrecondition);
  fail(ErrorCode::kNotReady);
  EXPECT_EQ(store_.errors(), 0u);
  fail(ErrorCode::kIo);
  EXPECT_EQ(store_.errors(), 1u);
}

}  // namespace
}  // namespace freehold::store
