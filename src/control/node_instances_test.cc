#include "control/node_instances.h"

#include "gtest/gtest.h"

namespace freehold::control {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'000'000)};

class NodeInstancesTest : public testing::Test {
 protected:
  bool Reports(const std::string& name) {
    TakeInstance(node_.instances, name, kNow);
    return IsDuplicated(node_);
  }
  NodeState node_;
};

TEST_F(NodeInstancesTest, RestartsAreNoSecondHost) {
  for (int restart = 0; restart < 1000; ++restart) {
    for (int report = 0; report < 3; ++report) EXPECT_FALSE(Reports(std::to_string(restart)));
  }
  EXPECT_LE(node_.instances.past.size(), 64U);
}

TEST_F(NodeInstancesTest, WhoReportsOnAfterAnotherFollowedIsASecondHost) {
  EXPECT_FALSE(Reports("a"));
  EXPECT_FALSE(Reports("b"));
  EXPECT_FALSE(Reports("a"));
  EXPECT_FALSE(Reports("b"));
  node_.problem = "the KMS's words";
  EXPECT_EQ(ProblemOf(node_), node_.problem);
  EXPECT_TRUE(Reports("a"));
  EXPECT_NE(ProblemOf(node_).find("two hosts"), std::string::npos);
}

TEST_F(NodeInstancesTest, AReportThatWasOnItsWayWhenItsProcessDiedIsNoSecondHost) {
  for (const char* name : {"a", "b", "a", "b", "c", "b", "c", "d", "d"}) {
    EXPECT_FALSE(Reports(name));
  }
}

TEST_F(NodeInstancesTest, WhatWasSeenStays) {
  for (const char* name : {"a", "b", "a", "a", "c", "c", "c"}) Reports(name);
  EXPECT_TRUE(IsDuplicated(node_));
}

TEST_F(NodeInstancesTest, ReleasesWithoutANameSayNothing) {
  for (const char* name : {"a", "", "b", "", "", "b", "a", ""}) EXPECT_FALSE(Reports(name));
  EXPECT_FALSE(Reports(std::string(100'000, 'x')));
  EXPECT_EQ(node_.instances.current, "b");
}

}  // namespace
}  // namespace freehold::control
