#include "agent/reconcile.h"

#include <gtest/gtest.h>

namespace freehold::agent {
namespace {

using api::DesiredState;
using api::NodeGoal;

constexpr char kEscrow[] = "arn:aws:kms:us-east-1:999988887777:key/escrow";
constexpr char kFirst[] = "arn:aws:kms:us-east-1:111122223333:key/first";
constexpr char kSecond[] = "arn:aws:kms:us-east-1:111122223333:key/second";

api::KeySpec Key(const char* arn) { return {"AWS_KMS", arn, ""}; }

class ReconcileTest : public testing::Test {
 protected:
  ReconcileTest() { Reset(); }

  // Open, and as it should be.
  void Reset() {
    desired_ = DesiredState();
    observed_ = Observed();
    desired_.epoch = "e";
    desired_.revision = 7;
    desired_.node = "n";
    desired_.cluster = "c";
    desired_.fencing = 2;
    desired_.goal = NodeGoal::kOpen;
    desired_.key = Key(kFirst);
    desired_.customers = true;
    desired_.escrow_uri = api::CanonicalUri(Key(kEscrow));
    observed_.has_volume = true;
    observed_.assignment = Assignment{"o", "c", "orders", 2, Key(kFirst), 0};
    observed_.key_uri = api::CanonicalUri(Key(kFirst));
    observed_.deks = 1;
    observed_.held = true;
    observed_.custody = "open";
  }
  Step Next(bool may_open = true) const { return Decide(desired_, observed_, may_open).step; }
  std::string Problem(bool may_open = true) const {
    return Decide(desired_, observed_, may_open).problem;
  }
  void Gone() { observed_ = Observed(); }
  void Down() {
    observed_.held = false;
    observed_.custody.clear();
  }

  DesiredState desired_;
  Observed observed_;
};

TEST_F(ReconcileTest, NothingIsDoneWhereAllIsAsWanted) {
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_EQ(Problem(), "");
}

TEST_F(ReconcileTest, MakesStartsAndStops) {
  Gone();
  EXPECT_EQ(Next(), Step::kCreate);
  desired_.key.reset();
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_NE(Problem(), "");
  Reset();
  Down();
  EXPECT_EQ(Next(), Step::kStart);
  observed_.starting = true;
  EXPECT_EQ(Next(), Step::kNothing);
  for (const NodeGoal goal : {NodeGoal::kStopped, NodeGoal::kIdle}) {
    Reset();
    desired_.goal = goal;
    EXPECT_EQ(Next(), Step::kStop);
    Down();
    EXPECT_EQ(Next(), Step::kNothing);
    Gone();
    EXPECT_EQ(Next(), Step::kNothing);
  }
}

TEST_F(ReconcileTest, OpensOnlyByAFreshWordOfTheServerAndGoesOnWithoutOne) {
  EXPECT_EQ(Next(false), Step::kNothing);
  EXPECT_EQ(Problem(false), "");
  Down();
  EXPECT_EQ(Next(false), Step::kNothing);
  EXPECT_NE(Problem(false), "");
  Gone();
  EXPECT_EQ(Next(false), Step::kNothing);
  EXPECT_NE(Problem(false), "");
}

TEST_F(ReconcileTest, SealsUntilItIsSealedForThatReason) {
  desired_.goal = NodeGoal::kRevoked;
  for (const char* custody : {"open", "grace", "opening", "sealing"}) {
    observed_.custody = custody;
    EXPECT_EQ(Next(), Step::kSeal) << custody;
  }
  observed_.custody = "sealed";
  observed_.custody_reason = "denied";
  EXPECT_EQ(Next(), Step::kSeal);
  observed_.custody_reason = "revoked";
  EXPECT_EQ(Next(), Step::kNothing);
  desired_.goal = NodeGoal::kOpen;
  EXPECT_EQ(Next(), Step::kOpen);
  observed_.custody_reason = "denied";  // the KMS's word, which no server takes back
  EXPECT_EQ(Next(), Step::kNothing);
}

TEST_F(ReconcileTest, FollowsTheKeyAndCutsOffTheEscrowKey) {
  desired_.key = Key(kSecond);
  EXPECT_EQ(Next(), Step::kRewrap);
  observed_.key_uri = desired_.escrow_uri;
  EXPECT_EQ(Next(), Step::kReencrypt);
  observed_.deks = 2;  // one is under way
  EXPECT_EQ(Next(), Step::kNothing);
  desired_.customers = false;
  EXPECT_EQ(Next(), Step::kRewrap);
  observed_.custody = "sealed";
  EXPECT_EQ(Next(), Step::kNothing);
  Reset();
  desired_.key->auth_principal = "arn:aws:iam::111122223333:role/other";
  EXPECT_EQ(Next(), Step::kRewrap);
}

TEST_F(ReconcileTest, WrapsAnewAsOftenAsItIsAskedTo) {
  desired_.rewraps = 1;
  EXPECT_EQ(Next(), Step::kRewrap);
  observed_.assignment->rewraps = 1;
  EXPECT_EQ(Next(), Step::kNothing);
  desired_.fencing = 3;
  EXPECT_EQ(Next(), Step::kTakeOrder);
}

TEST_F(ReconcileTest, AVolumeOfAnotherClusterIsLeftAlone) {
  desired_.cluster = "other";
  EXPECT_EQ(Next(), Step::kStop);
  Down();
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_NE(Problem().find("belongs to cluster c"), std::string::npos);
  Reset();
  desired_.fencing = 1;
  EXPECT_EQ(Next(), Step::kStop);
  Reset();
  observed_.assignment.reset();
  EXPECT_NE(Problem().find("--adopt"), std::string::npos);
  observed_.may_adopt = true;
  EXPECT_EQ(Next(), Step::kTakeOrder);
}

TEST_F(ReconcileTest, AnOlderOrAnotherStoreIsBelievedOnlyAsAnAnswer) {
  DesiredState next = desired_;
  EXPECT_TRUE(Obeys(desired_, next, false));
  next.revision = 8;
  EXPECT_TRUE(Obeys(desired_, next, false));
  next.revision = 6;
  EXPECT_FALSE(Obeys(desired_, next, false));
  EXPECT_TRUE(Obeys(desired_, next, true));
  next = desired_;
  next.epoch = "another";
  EXPECT_FALSE(Obeys(desired_, next, false));
  EXPECT_TRUE(Obeys(desired_, next, true));
  EXPECT_TRUE(Obeys(DesiredState(), next, false));
}

TEST_F(ReconcileTest, ARevokeOfThisClusterIsAlwaysObeyedAndALowerFencingNumberNever) {
  DesiredState next = desired_;
  next.goal = NodeGoal::kRevoked;
  next.revision = 1;
  next.epoch = "another";
  next.fencing = 1;
  EXPECT_TRUE(Obeys(desired_, next, false));
  next.goal = NodeGoal::kOpen;
  EXPECT_FALSE(Obeys(desired_, next, true));
  next.goal = NodeGoal::kRevoked;
  next.cluster = "other";
  EXPECT_FALSE(Obeys(desired_, next, false));
}

TEST_F(ReconcileTest, WhatDoesNotRunIsReportedAsSealed) {
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody, "open");
  Down();
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody, "sealed");
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody_reason, "");
  desired_.goal = NodeGoal::kRevoked;
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody_reason, "revoked");
  const api::NodeReport report = ReportOf(desired_, observed_, "why");
  EXPECT_EQ(report.problem, "why");
  EXPECT_EQ(report.revision, 7u);
  EXPECT_EQ(report.cluster, "c");
}

}  // namespace
}  // namespace freehold::agent
