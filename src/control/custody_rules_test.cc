#include "control/custody_rules.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::control {
namespace {

using namespace std::chrono_literals;
using api::CustodyChange;
using api::CustodyTerms;
using testing::ElementsAre;
using testing::HasSubstr;

const WallTime kNow{std::chrono::hours(24 * 365 * 55)};

CustodyChange To(const char* name, Duration value) { return {{{name, value}}, {}, {}}; }

Caller Holder(const char* account, Role role, WallTime since = {}) {
  return {"k", account, "name", "o", {{role, {"o", "", ""}}}, since};
}

class CustodyRules : public testing::Test {
 protected:
  CustodyRules() {
    cluster_.id = "c";
    cluster_.organization = "o";
    cluster_.state = ClusterState::kRunning;
  }
  Status Change(const Caller& caller, const CustodyChange& change) {
    return ChangeTerms(cluster_, organization_, caller, TermsOf(cluster_), change, kNow);
  }
  Status ByAdmin(const CustodyChange& change) {
    return Change(Holder("admin", Role::kOrganizationAdmin), change);
  }

  Cluster cluster_;
  Organization organization_;
};

TEST_F(CustodyRules, WhatNobodySetIsTheDefaultAndIsNotTold) {
  EXPECT_EQ(TermsOf(cluster_), CustodyTerms());
  EXPECT_FALSE(cluster_.terms.has_value());
  ASSERT_TRUE(ByAdmin(To("check_interval", 30s)).ok());
  EXPECT_EQ(TermsOf(cluster_).check_interval, 30s);
  EXPECT_EQ(TermsOf(cluster_).outage_grace, 30min);
}

TEST_F(CustodyRules, TighterTakesManageKeysAndLooserRestoreKeys) {
  const Caller operators = Holder("op", Role::kClusterOperator);
  EXPECT_TRUE(Change(operators, To("check_interval", 10s)).ok());
  const Status refused = Change(operators, To("check_interval", 11s));
  EXPECT_EQ(refused.error().code(), ErrorCode::kForbidden);
  EXPECT_THAT(refused.error().message(), HasSubstr("check_interval: to loosen custody"));
  EXPECT_EQ(TermsOf(cluster_).check_interval, 10s);
  EXPECT_TRUE(Change(Holder("cu", Role::kKeyCustodian), To("check_interval", 11s)).ok());
  EXPECT_TRUE(Change(operators, {{}, {}, OnKeyReturn::kManual}).ok());
  EXPECT_FALSE(Change(operators, {{}, {}, OnKeyReturn::kAuto}).ok());
  EXPECT_FALSE(Change(operators, {{}, OnDenied::kAlert, {}}).ok());
  EXPECT_TRUE(Change(operators, To("version_interval", 2h)).ok());  // neither
  // One that is looser among others that are tighter is looser.
  CustodyChange both = To("check_interval", 1s);
  both.durations["seal_delay"] = 1min;
  EXPECT_FALSE(Change(operators, both).ok());
  EXPECT_EQ(TermsOf(cluster_).check_interval, 11s);
}

TEST_F(CustodyRules, WhileRevokedOnlyWhoMayRestoreLoosens) {
  cluster_.revoked = Revocation{kNow, "revoker", {Role::kKeyCustodian}};
  const auto by = [&](const Caller& caller) { return Change(caller, To("outage_grace", 2h)); };
  EXPECT_THAT(by(Holder("revoker", Role::kOrganizationAdmin)).error().message(),
              HasSubstr("another service account"));
  EXPECT_THAT(by(Holder("other", Role::kKeyCustodian)).error().message(),
              HasSubstr("the role KEY_CUSTODIAN revoked"));
  EXPECT_FALSE(by(Holder("young", Role::kOrganizationAdmin, kNow)).ok());
  EXPECT_TRUE(by(Holder("other", Role::kOrganizationAdmin)).ok());
  EXPECT_TRUE(Change(Holder("revoker", Role::kClusterOperator), To("outage_grace", 1min)).ok());
}

TEST_F(CustodyRules, TheOperatorsBoundsAreNamedAndCountForWhatIsSet) {
  auto& bounds = organization_.custody_bounds;
  bounds.durations["check_interval"] = {10s, 5min};
  bounds.durations["outage_grace"] = {std::nullopt, 1h};
  bounds.on_denied = {OnDenied::kSeal};
  const auto words = [&](const CustodyChange& change) {
    const Status refused = ByAdmin(change);
    EXPECT_EQ(refused.error().code(), ErrorCode::kForbidden);
    return refused.error().message();
  };
  EXPECT_EQ(words(To("check_interval", 9s)), "check_interval: the operator allows 10s and more");
  EXPECT_EQ(words(To("check_interval", 6min)), "check_interval: the operator allows at most 5m");
  EXPECT_EQ(words(To("outage_grace", 61min)), "outage_grace: the operator allows at most 1h");
  EXPECT_EQ(words({{}, OnDenied::kAlert, {}}), "on_denied: the operator allows 'seal' only");
  EXPECT_FALSE(cluster_.terms.has_value());
  EXPECT_TRUE(ByAdmin(To("check_interval", 10s)).ok());
}

TEST_F(CustodyRules, BoundsThatChangeLaterMoveNothing) {
  ASSERT_TRUE(ByAdmin(To("check_interval", 5s)).ok());
  organization_.custody_bounds.durations["check_interval"] = {1min, 2min};
  EXPECT_EQ(TermsOf(cluster_).check_interval, 5s);
  EXPECT_TRUE(ByAdmin(To("stop_timeout", 10s)).ok());   // of something else
  EXPECT_TRUE(ByAdmin(To("check_interval", 5s)).ok());  // no change
  EXPECT_FALSE(ByAdmin(To("check_interval", 6s)).ok());
  EXPECT_EQ(TermsOf(cluster_).check_interval, 5s);
}

TEST_F(CustodyRules, ANewClusterBeginsWithinTheBounds) {
  EXPECT_FALSE(FirstTerms(organization_.custody_bounds).has_value());
  auto& bounds = organization_.custody_bounds;
  bounds.durations["check_interval"] = {std::nullopt, 30s};
  bounds.durations["stop_timeout"] = {1min, std::nullopt};
  bounds.on_key_return = {OnKeyReturn::kManual};
  const auto terms = FirstTerms(bounds);
  ASSERT_TRUE(terms.has_value());
  EXPECT_EQ(terms->check_interval, 30s);
  EXPECT_EQ(terms->stop_timeout, 1min);
  EXPECT_EQ(terms->on_key_return, OnKeyReturn::kManual);
  EXPECT_EQ(terms->on_denied, OnDenied::kSeal);
}

TEST_F(CustodyRules, OfTwoTheTighterIsTakenForEachSetting) {
  CustodyTerms a;
  CustodyTerms b;
  a.check_interval = 10s;
  b.outage_grace = 1min;
  b.on_key_return = OnKeyReturn::kManual;
  a.on_denied = b.on_denied = OnDenied::kAlert;
  const CustodyTerms both = api::Tighter(a, b);
  EXPECT_EQ(both.check_interval, 10s);
  EXPECT_EQ(both.outage_grace, 1min);
  EXPECT_EQ(both.on_key_return, OnKeyReturn::kManual);
  EXPECT_EQ(both.on_denied, OnDenied::kAlert);
  EXPECT_THAT(Loosened(both, CustodyTerms()),
              ElementsAre("check_interval", "outage_grace", "on_key_return"));
  EXPECT_TRUE(Loosened(CustodyTerms(), api::Tighter(b, CustodyTerms())).empty());
}

TEST_F(CustodyRules, ANodeHasAppliedWhatItRunsWith) {
  NodeState node;
  EXPECT_FALSE(Applies(cluster_, node));
  node.terms = CustodyTerms();
  EXPECT_FALSE(Applies(cluster_, node));  // nobody told it any
  ASSERT_TRUE(ByAdmin(To("check_interval", 10s)).ok());
  EXPECT_FALSE(Applies(cluster_, node));
  node.terms->check_interval = 10s;
  EXPECT_TRUE(Applies(cluster_, node));
}

}  // namespace
}  // namespace freehold::control
