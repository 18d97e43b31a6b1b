#include "control/key_news.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::control {
namespace {

using namespace std::chrono_literals;

const WallTime kNow{1'000'000s};

class KeyNewsTest : public testing::Test {
 protected:
  KeyNewsTest() {
    cluster_.id = "c";
    cluster_.name = "orders";
    RegionKey key;
    key.spec = {"AWS_KMS", "arn:aws:kms:us-east-1:111122223333:key/k1", ""};
    region_.name = "us-east-1";
    region_.keys = {key};
  }
  NodeState Node(const std::string& custody, const std::string& reason = "",
                 const std::string& failure_class = "") {
    NodeState node;
    node.node = "n" + std::to_string(++nodes_);
    node.region = region_.name;
    node.key_uri = api::CanonicalUri(region_.keys.front().spec);
    node.custody = custody;
    node.custody_reason = reason;
    node.failure_class = failure_class;
    node.on_denied = "seal";
    node.last_verified_at = kNow;
    node.lease_expires_at = kNow + 100s;
    return node;
  }
  News Hear(const std::vector<NodeState>& nodes) { return NewsOf(told_, cluster_, region_, nodes); }
  static std::vector<std::string> TypesOf(const News& news) {
    std::vector<std::string> types;
    for (const Notice& notice : news.notices) types.emplace_back(NameOf(notice.type));
    return types;
  }

  Cluster cluster_;
  Region region_;
  RegionNews told_;
  int nodes_ = 0;
};

TEST_F(KeyNewsTest, WhatSeveralNodesSeeIsToldOnce) {
  const auto nodes = {Node("sealing", "denied"), Node("sealing", "denied")};
  const News first = Hear(nodes);
  EXPECT_THAT(TypesOf(first), testing::ElementsAre("key.denied"));
  EXPECT_EQ(first.notices.front().nodes.size(), 2U);
  EXPECT_TRUE(Hear(nodes).notices.empty());
  EXPECT_FALSE(Hear({Node("open"), Node("sealed", "denied")}).returned.has_value());
  const News back = Hear({Node("open"), Node("open")});
  EXPECT_TRUE(back.returned.has_value() && back.failure_was_told);
  EXPECT_FALSE(Hear({Node("open"), Node("open")}).returned.has_value());
}

TEST_F(KeyNewsTest, AGraceIsWarnedOfAtItsMiddleAndOnce) {
  const News news = Hear({Node("grace", "", "unreachable")});
  ASSERT_TRUE(news.grace_warning.has_value());
  EXPECT_EQ(news.warn_at, kNow + 50s);
  EXPECT_FALSE(Hear({Node("grace", "", "unreachable")}).grace_warning.has_value());
  const News sealed = Hear({Node("sealed", "grace", "unreachable")});
  EXPECT_TRUE(sealed.takes_back_warning);
  EXPECT_THAT(TypesOf(sealed), testing::ElementsAre("key.sealed"));
}

TEST_F(KeyNewsTest, AFirstNoIsNoNews) {
  const News news = Hear({Node("grace", "", "denied")});
  EXPECT_TRUE(news.notices.empty());
  EXPECT_FALSE(news.grace_warning.has_value());
}

TEST_F(KeyNewsTest, WhatSomebodyWantedIsNoFailure) {
  Hear({Node("grace", "", "unreachable")});
  cluster_.revoked = Revocation{kNow, "account", {}};
  const News news = Hear({Node("sealed", "denied")});
  EXPECT_TRUE(news.takes_back_warning);
  EXPECT_TRUE(news.notices.empty());
  cluster_.revoked.reset();
  cluster_.state = ClusterState::kStopped;
  EXPECT_TRUE(Hear({Node("sealed", "denied")}).notices.empty());
}

TEST_F(KeyNewsTest, AnotherKeyBeginsAnew) {
  Hear({Node("sealing", "denied")});
  region_.keys.front().spec.uri = "arn:aws:kms:us-east-1:111122223333:key/k2";
  EXPECT_FALSE(Hear({Node("open")}).returned.has_value());
  EXPECT_THAT(TypesOf(Hear({Node("sealing", "denied")})), testing::ElementsAre("key.denied"));
}

TEST_F(KeyNewsTest, ADateIsToldOnceThoughNodesKnowDifferentOnes) {
  NodeState one = Node("sealing", "denied");
  NodeState other = Node("sealing", "denied");
  one.deletion_at = other.deletion_at = kNow + 24h;
  EXPECT_THAT(TypesOf(Hear({one, other})),
              testing::ElementsAre("key.denied", "key.deletion_scheduled"));
  one.deletion_at = kNow + 48h;
  EXPECT_THAT(TypesOf(Hear({one, other})), testing::ElementsAre("key.deletion_scheduled"));
  EXPECT_TRUE(Hear({one, other}).notices.empty());
}

TEST_F(KeyNewsTest, TheOperatorsOwnKeyIsNoNews) {
  const NodeState node = Node("sealed", "denied");
  region_.keys.clear();
  EXPECT_TRUE(Hear({node}).notices.empty());
}

TEST_F(KeyNewsTest, VersionsAreToldOnceAndTheFirstIsNone) {
  NodeState node = Node("open");
  const std::vector<std::pair<const char*, std::size_t>> said = {
      {"1", 0}, {"2", 1}, {"1", 0}, {"2", 0}, {"3", 1}};
  for (const auto& [version, count] : said) {
    node.key_version = version;
    EXPECT_EQ(Hear({node}).notices.size(), count) << version;
  }
}

}  // namespace
}  // namespace freehold::control
