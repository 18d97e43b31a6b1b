#include "control/cmek.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::control {
namespace {

using api::CmekStatus;
using testing::HasSubstr;

const WallTime kNow{std::chrono::hours(24 * 365 * 55)};

api::KeySpec Key(const std::string& name) {
  return {"AWS_KMS", "arn:aws:kms:us-east-1:111122223333:key/" + name, ""};
}
api::RegionSpec Spec(const std::string& region, const std::string& key) {
  return {region, Key(key)};
}

class CmekRules : public testing::Test {
 protected:
  CmekRules() {
    organization_.cmek_granted = true;
    cluster_.state = ClusterState::kRunning;
    for (const char* name : {"east", "west"}) cluster_.regions.push_back({name, 1, {}, 0});
  }
  void Enable() {
    ASSERT_TRUE(
        EnableCmek(cluster_, organization_, {Spec("east", "k1"), Spec("west", "k2")}, kNow).ok());
  }
  // A node of a region that has done what was wanted.
  NodeState Follower(std::size_t region) {
    const Region& wanted = cluster_.regions[region];
    NodeState node;
    node.node = "n-" + wanted.name;
    node.region = wanted.name;
    node.connected = true;
    node.custody = "open";
    node.rewraps = wanted.rewraps;
    node.rekeys = wanted.rekeys;
    node.reencrypts = wanted.reencrypts;
    if (!wanted.keys.empty()) {
      node.key = wanted.keys.front().spec;
      node.key_uri = api::CanonicalUri(*node.key);
    }
    return node;
  }
  std::vector<NodeState> Nodes() { return {Follower(0), Follower(1)}; }
  void Confirm() {
    for (std::size_t i = 0; i < 2; ++i) ConfirmKeys(cluster_.regions[i], {Follower(i)}, kNow);
  }
  CmekStatus StatusNow() { return InfoOf(cluster_, Nodes()).status; }

  Organization organization_;
  Cluster cluster_;
};

TEST_F(CmekRules, EnablingTakesEveryRegionAndEndsWithTheLastNode) {
  EXPECT_EQ(StatusNow(), CmekStatus::kDisabled);
  const Status partial = EnableCmek(cluster_, organization_, {Spec("east", "k1")}, kNow);
  EXPECT_THAT(partial.error().message(), HasSubstr("the region 'west' is missing"));
  EXPECT_EQ(StatusNow(), CmekStatus::kDisabled);
  Enable();
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabling);
  ConfirmKeys(cluster_.regions[0], {Follower(0)}, kNow);
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabling);
  ConfirmKeys(cluster_.regions[1], {Follower(1)}, kNow);
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabled);
  EXPECT_EQ(EnableCmek(cluster_, organization_, {Spec("east", "k3"), Spec("west", "k4")}, kNow)
                .error()
                .code(),
            ErrorCode::kPrecondition);
}

TEST_F(CmekRules, AnUpdateChangesOnlyTheRegionsThatItNames) {
  Enable();
  Confirm();
  ASSERT_TRUE(UpdateCmek(cluster_, organization_, {Spec("west", "k3")}, kNow).ok());
  const auto info = InfoOf(cluster_, Nodes());
  EXPECT_EQ(info.status, CmekStatus::kRotating);
  EXPECT_EQ(info.region_infos[0].status, CmekStatus::kEnabled);
  EXPECT_EQ(info.region_infos[1].status, CmekStatus::kRotating);
  ASSERT_EQ(info.region_infos[1].key_infos.size(), 2u);
  EXPECT_EQ(info.region_infos[1].key_infos[0].status, CmekStatus::kEnabling);
  EXPECT_EQ(info.region_infos[1].key_infos[1].status, CmekStatus::kDisabling);
  Confirm();
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabled);
  EXPECT_EQ(InfoOf(cluster_, Nodes()).region_infos[1].key_infos[1].status, CmekStatus::kDisabled);
}

TEST_F(CmekRules, TheSameKeyAgainIsWrappedAnew) {
  Enable();
  Confirm();
  ASSERT_TRUE(UpdateCmek(cluster_, organization_, {Spec("east", "k1")}, kNow).ok());
  EXPECT_EQ(cluster_.regions[0].rewraps, 1u);
  EXPECT_EQ(cluster_.regions[0].keys.size(), 1u);
  EXPECT_EQ(StatusNow(), CmekStatus::kRotating);
  Confirm();
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabled);
}

TEST_F(CmekRules, AKeyIsTheSameInEveryFormOfItsUri) {
  Enable();
  Confirm();
  api::RegionSpec same = Spec("east", "k1");
  same.key_spec.uri = "aws-kms://" + same.key_spec.uri;
  ASSERT_TRUE(UpdateCmek(cluster_, organization_, {same}, kNow).ok());
  EXPECT_EQ(cluster_.regions[0].keys.size(), 1u);
  EXPECT_EQ(cluster_.regions[0].rewraps, 1u);
}

TEST_F(CmekRules, ANodesTroubleIsShownInItsWordsAndMayStillEnd) {
  Enable();
  NodeState node = Follower(0);
  node.key_uri.clear();
  node.problem = "AccessDeniedException: no kms:Decrypt";
  EXPECT_TRUE(ConfirmKeys(cluster_.regions[0], {node}, kNow));
  EXPECT_EQ(StatusNow(), CmekStatus::kEnableFailed);
  EXPECT_EQ(InfoOf(cluster_, {}).region_infos[0].key_infos[0].user_message, node.problem);
  EXPECT_FALSE(ConfirmKeys(cluster_.regions[0], {node}, kNow));  // no news
  Confirm();
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabled);
}

TEST_F(CmekRules, RevokedIsSaidOnlyWhenEveryNodeHasConfirmed) {
  Enable();
  Confirm();
  const Caller caller{"k1", "s1", "s", "o", {}, {}};
  ASSERT_TRUE(RevokeCmek(cluster_, caller, {Role::kClusterAdmin}, kNow).ok());
  auto nodes = Nodes();
  EXPECT_EQ(InfoOf(cluster_, nodes).status, CmekStatus::kRevoking);
  nodes[0].custody = "sealed";
  nodes[0].custody_reason = "revoked";
  EXPECT_EQ(InfoOf(cluster_, nodes).region_infos[0].status, CmekStatus::kRevoked);
  EXPECT_EQ(InfoOf(cluster_, nodes).status, CmekStatus::kRevoking);
  nodes[1].custody = "sealed";
  nodes[1].custody_reason = "denied";  // its own reason; not what was asked of it
  EXPECT_EQ(InfoOf(cluster_, nodes).status, CmekStatus::kRevoking);
  nodes[1].custody_reason = "revoked";
  EXPECT_EQ(InfoOf(cluster_, nodes).status, CmekStatus::kRevoked);
  EXPECT_EQ(UpdateCmek(cluster_, organization_, {Spec("east", "k9")}, kNow).error().code(),
            ErrorCode::kPrecondition);
}

TEST_F(CmekRules, ARestoreTakesAnotherRoleThanTheOneThatRevoked) {
  Enable();
  Confirm();
  const Caller revoker{"k1", "s1", "s", "o", {}, {}};
  const Caller other{"k2", "s2", "s", "o", {}, {}};
  const Caller young{"k3", "s3", "s", "o", {}, kNow};
  const std::vector<Role> admin = {Role::kOrganizationAdmin};
  const auto refusal = [&](const Caller& caller, const std::vector<Role>& roles) {
    return RestoreCmek(cluster_, caller, roles, kNow).error().code();
  };
  EXPECT_EQ(refusal(other, admin), ErrorCode::kPrecondition);
  ASSERT_TRUE(RevokeCmek(cluster_, revoker, {Role::kClusterAdmin, Role::kKeyCustodian}, kNow).ok());
  EXPECT_EQ(refusal(other, {Role::kKeyCustodian}), ErrorCode::kForbidden);
  EXPECT_EQ(refusal(revoker, admin), ErrorCode::kForbidden);
  EXPECT_EQ(refusal(young, admin), ErrorCode::kForbidden);
  EXPECT_TRUE(RestoreCmek(cluster_, other, admin, kNow).ok());
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabled);
}

TEST_F(CmekRules, NewKeysAreRotatingUntilEveryNodeHasThemOrSaysWhyNot) {
  EXPECT_EQ(RenewKeys(cluster_, false, kNow).error().code(), ErrorCode::kPrecondition);
  Enable();
  Confirm();
  for (const bool new_deks : {false, true}) {
    auto nodes = Nodes();
    ASSERT_TRUE(RenewKeys(cluster_, new_deks, kNow).ok());
    EXPECT_EQ(StatusNow(), CmekStatus::kRotating);
    EXPECT_EQ(InfoOf(cluster_, nodes).region_infos[0].key_infos.size(), 1u);
    nodes[0].problem = "AccessDeniedException: no kms:Encrypt";
    EXPECT_TRUE(ConfirmKeys(cluster_.regions[0], {nodes[0]}, kNow));
    EXPECT_EQ(StatusNow(), CmekStatus::kRotateFailed);
    EXPECT_EQ(InfoOf(cluster_, nodes).region_infos[0].key_infos[0].user_message, nodes[0].problem);
    for (NodeState& node : nodes) {
      node.problem.clear();
      node.rekeys = cluster_.regions[0].rekeys;
      node.reencrypts = cluster_.regions[0].reencrypts;
    }
    EXPECT_TRUE(ConfirmKeys(cluster_.regions[0], {nodes[0]}, kNow));
    EXPECT_EQ(StatusNow(), CmekStatus::kRotating);  // the other region's
    EXPECT_TRUE(ConfirmKeys(cluster_.regions[1], {nodes[1]}, kNow));
    EXPECT_EQ(StatusNow(), CmekStatus::kEnabled);
  }
}

TEST_F(CmekRules, WhatIsSealedOrStoppedGetsNoNewKeys) {
  Enable();
  Confirm();
  const auto refusal = [&] { return RenewKeys(cluster_, false, kNow).error(); };
  cluster_.state = ClusterState::kStopped;
  EXPECT_THAT(refusal().message(), HasSubstr("start it first"));
  cluster_.state = ClusterState::kRunning;
  cluster_.revoked = Revocation{kNow, "s", {}};
  EXPECT_THAT(refusal().message(), HasSubstr("restore them"));
  EXPECT_EQ(refusal().code(), ErrorCode::kPrecondition);
  EXPECT_EQ(cluster_.regions[0].rekeys, 0u);
}

TEST_F(CmekRules, WhereKeysReturnByHandARestoreOpensWhatTheKmsSealed) {
  Enable();
  Confirm();
  const Caller caller{"k1", "s1", "s", "o", {}, {}};
  EXPECT_EQ(RestoreCmek(cluster_, caller, {}, kNow).error().code(), ErrorCode::kPrecondition);
  cluster_.terms.emplace().on_key_return = OnKeyReturn::kManual;
  EXPECT_TRUE(RestoreCmek(cluster_, caller, {}, kNow).ok());
  EXPECT_EQ(cluster_.opens, 1u);
}

TEST_F(CmekRules, TheOperatorsBoundsAreNamedWhenTheyRefuse) {
  organization_.allowed_kms_types = {{"*", {"AWS_KMS"}}, {"west", {"GCP_CLOUD_KMS"}}};
  const Status refused =
      EnableCmek(cluster_, organization_, {Spec("east", "k1"), Spec("west", "k2")}, kNow);
  EXPECT_EQ(refused.error().code(), ErrorCode::kForbidden);
  EXPECT_THAT(refused.error().message(), HasSubstr("AWS_KMS in region west"));
  organization_.cmek_granted = false;
  EXPECT_EQ(EnableCmek(cluster_, organization_, {}, kNow).error().code(), ErrorCode::kForbidden);
}

TEST_F(CmekRules, LeavingEndsWhenEveryNodeIsUnderTheOperatorsKeyAndKeepsWhatWas) {
  const api::KeySpec escrow = Key("escrow");
  EXPECT_EQ(DisenrolCmek(cluster_, escrow, kNow).error().code(), ErrorCode::kPrecondition);
  Enable();
  Confirm();
  EXPECT_EQ(DisenrolCmek(cluster_, {}, kNow).error().code(), ErrorCode::kPrecondition);
  ASSERT_TRUE(DisenrolCmek(cluster_, escrow, kNow).ok());
  EXPECT_EQ(StatusNow(), CmekStatus::kDisabling);
  NodeState refuses = Follower(0);
  refuses.problem = "this host does not";
  EXPECT_TRUE(ConfirmKeys(cluster_.regions[0], {refuses}, kNow));
  EXPECT_EQ(StatusNow(), CmekStatus::kDisableFailed);
  for (std::size_t i = 0; i < 2; ++i) {
    NodeState node = Follower(i);
    node.key_uri = api::CanonicalUri(escrow);
    EXPECT_TRUE(ConfirmKeys(cluster_.regions[i], {node}, kNow));
  }
  EXPECT_EQ(StatusNow(), CmekStatus::kDisabled);
  EXPECT_TRUE(cluster_.regions[0].keys.empty());
  EXPECT_EQ(InfoOf(cluster_, Nodes()).region_infos[0].key_infos[0].spec, Key("k1"));
  Enable();  // and back
  EXPECT_EQ(StatusNow(), CmekStatus::kEnabling);
}

TEST_F(CmekRules, AnotherKeyEndsALeaving) {
  Enable();
  Confirm();
  ASSERT_TRUE(DisenrolCmek(cluster_, Key("escrow"), kNow).ok());
  ASSERT_TRUE(UpdateCmek(cluster_, organization_, {Spec("east", "k3")}, kNow).ok());
  EXPECT_FALSE(cluster_.regions[0].leaves_for.has_value());
  EXPECT_TRUE(cluster_.regions[1].leaves_for.has_value());
  ASSERT_TRUE(RevokeCmek(cluster_, {}, {}, kNow).ok());
  EXPECT_EQ(DisenrolCmek(cluster_, Key("escrow"), kNow).error().code(), ErrorCode::kPrecondition);
}

TEST_F(CmekRules, EveryVersionThatANodeHasUsedIsRemembered) {
  Enable();
  NodeState node = Follower(0);
  for (const char* version : {"1", "2", "2"}) {
    node.key_version = version;
    ConfirmKeys(cluster_.regions[0], {node}, kNow);
  }
  EXPECT_THAT(cluster_.regions[0].keys[0].versions, testing::ElementsAre("1", "2"));
  EXPECT_THAT(InfoOf(cluster_, {node}).region_infos[0].key_infos[0].versions,
              testing::ElementsAre("1", "2"));
}

TEST_F(CmekRules, AnUnknownRegionIsNamedAndNothingChanges) {
  Enable();
  Confirm();
  const Status refused =
      UpdateCmek(cluster_, organization_, {Spec("east", "k3"), Spec("north", "k4")}, kNow);
  EXPECT_THAT(refused.error().message(), HasSubstr("no region 'north'"));
  EXPECT_EQ(cluster_.regions[0].keys.size(), 1u);
}

}  // namespace
}  // namespace freehold::control
