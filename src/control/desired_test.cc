#include "control/desired.h"

#include <gtest/gtest.h>

namespace freehold::control {
namespace {

using api::CmekStatus;
using api::NodeGoal;

constexpr WallTime kNow{std::chrono::hours(24 * 365 * 50)};
const api::KeySpec kEscrow{"AWS_KMS", "arn:aws:kms:us-east-1:999988887777:key/escrow", ""};
const api::KeySpec kKey{"AWS_KMS", "arn:aws:kms:us-east-1:111122223333:key/k1", ""};

class DesiredTest : public testing::Test {
 protected:
  DesiredTest() {
    cluster_.id = "c";
    cluster_.organization = "o";
    cluster_.name = "orders";
    cluster_.state = ClusterState::kRunning;
    cluster_.regions = {{"eu-west-1", 1, {}, 0}, {"us-east-1", 2, {}, 0}};
    node_.id = "n";
    node_.region = "us-east-1";
    node_.cluster = "c";
    node_.fencing = 3;
  }
  NodeGoal Goal() const { return DesiredOf(node_, &cluster_, kEscrow).goal; }
  NodeState Says(const char* id, const char* region, const char* custody, const char* database) {
    NodeState state;
    state.node = id;
    state.region = region;
    state.cluster = "c";
    state.custody = custody;
    state.database = database;
    state.key_uri = api::CanonicalUri(kKey);
    state.key = kKey;
    return state;
  }
  std::vector<NodeState> AllSay(const char* custody, const char* database) {
    return {Says("n0", "eu-west-1", custody, database), Says("n1", "us-east-1", custody, database),
            Says("n2", "us-east-1", custody, database)};
  }

  Cluster cluster_;
  Node node_;
};

TEST_F(DesiredTest, AFreeNodeIsIdle) {
  const api::DesiredState desired = DesiredOf(node_, nullptr, kEscrow);
  EXPECT_EQ(desired.goal, NodeGoal::kIdle);
  EXPECT_FALSE(desired.key.has_value());
  EXPECT_EQ(desired.fencing, 3u);
}

TEST_F(DesiredTest, WithoutAKeyOfTheCustomersTheEscrowKeyStands) {
  api::DesiredState desired = DesiredOf(node_, &cluster_, kEscrow);
  EXPECT_EQ(desired.goal, NodeGoal::kOpen);
  EXPECT_EQ(desired.key, kEscrow);
  EXPECT_FALSE(desired.customers);
  cluster_.regions[1].keys = {{kKey, CmekStatus::kEnabling, "", kNow, kNow}};
  cluster_.regions[1].rewraps = 4;
  desired = DesiredOf(node_, &cluster_, kEscrow);
  EXPECT_EQ(desired.key, kKey);
  EXPECT_TRUE(desired.customers);
  EXPECT_EQ(desired.rewraps, 4u);
  EXPECT_EQ(desired.escrow_uri, api::CanonicalUri(kEscrow));
  EXPECT_FALSE(DesiredOf(node_, &cluster_, {}).escrow_uri.size());
}

TEST_F(DesiredTest, ARevokeGoesBeforeEverything) {
  cluster_.revoked = Revocation{kNow, "someone", {}};
  for (const ClusterState state :
       {ClusterState::kRunning, ClusterState::kStopped, ClusterState::kStarting}) {
    cluster_.state = state;
    EXPECT_EQ(Goal(), NodeGoal::kRevoked) << NameOf(state);
  }
}

TEST_F(DesiredTest, StoppedIsWhatIsToStopAndARegionThatWentAway) {
  for (const ClusterState state :
       {ClusterState::kStopping, ClusterState::kStopped, ClusterState::kDeleting}) {
    cluster_.state = state;
    EXPECT_EQ(Goal(), NodeGoal::kStopped) << NameOf(state);
  }
  cluster_.state = ClusterState::kRunning;
  node_.region = "ap-south-1";
  EXPECT_EQ(Goal(), NodeGoal::kStopped);
}

TEST_F(DesiredTest, AClusterRunsWhenEveryNodeServesAndStopsWhenNoneDoes) {
  cluster_.state = ClusterState::kCreating;
  auto nodes = AllSay("open", "ready");
  nodes.pop_back();
  EXPECT_FALSE(TakeInReports(cluster_, nodes, kNow));
  EXPECT_EQ(cluster_.state, ClusterState::kCreating);
  EXPECT_FALSE(TakeInReports(cluster_, AllSay("open", "starting"), kNow));
  EXPECT_TRUE(TakeInReports(cluster_, AllSay("open", "ready"), kNow));
  EXPECT_EQ(cluster_.state, ClusterState::kRunning);
  EXPECT_FALSE(TakeInReports(cluster_, AllSay("sealed", "down"), kNow));  // nobody asked for that
  cluster_.state = ClusterState::kStopping;
  EXPECT_FALSE(TakeInReports(cluster_, AllSay("sealing", "down"), kNow));
  EXPECT_TRUE(TakeInReports(cluster_, AllSay("sealed", "down"), kNow));
  EXPECT_EQ(cluster_.state, ClusterState::kStopped);
}

TEST_F(DesiredTest, KeysAreConfirmedRegionByRegion) {
  for (Region& region : cluster_.regions) {
    region.keys = {{kKey, CmekStatus::kEnabling, "", kNow, kNow}};
  }
  auto nodes = AllSay("open", "ready");
  nodes[2].key_uri = api::CanonicalUri(kEscrow);
  EXPECT_TRUE(TakeInReports(cluster_, nodes, kNow));
  EXPECT_EQ(cluster_.regions[0].keys.front().status, CmekStatus::kEnabled);
  EXPECT_EQ(cluster_.regions[1].keys.front().status, CmekStatus::kEnabling);
  nodes[2].problem = "the key is disabled";
  EXPECT_TRUE(TakeInReports(cluster_, nodes, kNow));
  EXPECT_EQ(cluster_.regions[1].keys.front().status, CmekStatus::kEnableFailed);
  EXPECT_EQ(cluster_.regions[1].keys.front().user_message, "the key is disabled");
  EXPECT_TRUE(TakeInReports(cluster_, AllSay("open", "ready"), kNow));
  EXPECT_EQ(cluster_.regions[1].keys.front().status, CmekStatus::kEnabled);
}

TEST_F(DesiredTest, NodesHaveNothingToHearOfWhatWasOnlySeenOfThem) {
  cluster_.regions[1].keys = {{kKey, CmekStatus::kEnabling, "", kNow, kNow}};
  cluster_.state = ClusterState::kCreating;
  Cluster seen = cluster_;
  EXPECT_TRUE(TakeInReports(seen, AllSay("open", "ready"), kNow));
  EXPECT_EQ(seen.regions[1].keys.front().status, CmekStatus::kEnabled);
  EXPECT_EQ(seen.state, ClusterState::kRunning);
  EXPECT_TRUE(WantTheSame(cluster_, seen, kEscrow));
  seen.state = ClusterState::kStopping;
  EXPECT_FALSE(WantTheSame(cluster_, seen, kEscrow));
}

}  // namespace
}  // namespace freehold::control
