#include "agent/reconcile.h"

#include <gtest/gtest.h>

namespace freehold::agent {
namespace {

using api::DesiredState;
using api::NodeGoal;

constexpr char kEscrow[] = "arn:aws:kms:us-east-1:999988887777:key/escrow";
constexpr char kFirst[] = "arn:aws:kms:us-east-1:111122223333:key/first";
constexpr char kSecond[] = "arn:aws:kms:us-east-1:111122223333:key/second";

api::KeySpec Key(const std::string& arn) { return {"AWS_KMS", arn, ""}; }

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
    observed_.assignment = Assignment{"o", "c", "orders", 2, Key(kFirst), true, 0};
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

TEST_F(ReconcileTest, TheOperatorsKeyIsKnownUnderItsOtherNames) {
  const std::string replicas = ":111122223333:key/mrk-1";
  desired_.escrow_uri = api::CanonicalUri(Key("arn:aws:kms:us-east-1" + replicas));
  desired_.key = Key("arn:aws:kms:eu-west-1" + replicas);
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_EQ(Problem(), kLeavesNoCustomer);
  observed_.may_disenrol = true;
  EXPECT_EQ(Next(), Step::kRewrap);
}

TEST_F(ReconcileTest, AKeyThatWasWrittenInAnotherSpellingIsTheWantedOne) {
  const api::KeySpec azure{"AZURE_KEY_VAULT", "https://Acme.vault.azure.net/keys/Orders", ""};
  desired_.key = observed_.assignment->key = azure;
  observed_.key_uri = "azure-kv://acme.vault.azure.net/keys/Orders";  // as older releases had it
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_EQ(Problem(), "");
}

TEST_F(ReconcileTest, MakesStartsAndStops) {
  Gone();
  EXPECT_EQ(Next(), Step::kCreate);
  observed_.was_here = true;  // its disk is not mounted
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_NE(Problem(), "");
  Gone();
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
  EXPECT_EQ(Next(), Step::kSeal);  // not on the disk yet
  observed_.revoked_on_disk = true;
  EXPECT_EQ(Next(), Step::kNothing);
  Down();
  EXPECT_EQ(Next(), Step::kNothing);
  observed_.revoked_on_disk = false;  // whoever opens it next would not know
  EXPECT_EQ(Next(), Step::kSeal);
  desired_.cluster = "other";  // the volume is not this cluster's to seal
  EXPECT_EQ(Next(), Step::kNothing);
  Reset();
  observed_.custody = "sealed";
  observed_.custody_reason = "revoked";
  EXPECT_EQ(Next(), Step::kOpen);
  observed_.custody_reason = "denied";  // the KMS's word, which no server takes back
  EXPECT_EQ(Next(), Step::kNothing);
}

TEST_F(ReconcileTest, FollowsTheKeyAndCutsOffTheEscrowKey) {
  desired_.key = Key(kSecond);
  EXPECT_EQ(Next(), Step::kRewrap);
  observed_.assignment->customers = false;  // the operator's key was there before
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
  observed_.may_adopt = false;
  observed_.made_for = "c";  // and cut off before that was written down
  EXPECT_EQ(Next(), Step::kTakeOrder);
  desired_.goal = NodeGoal::kIdle;  // somebody else's: it is not stopped
  EXPECT_EQ(Next(), Step::kNothing);
  desired_ = DesiredState();
  EXPECT_EQ(Next(), Step::kNothing);
}

TEST_F(ReconcileTest, MakesNewKeysAsOftenAsItIsAskedTo) {
  desired_.rekeys = 1;
  EXPECT_EQ(Next(), Step::kRekey);
  desired_.reencrypts = 1;
  EXPECT_EQ(Next(), Step::kReencrypt);
  observed_.deks = 2;  // one is under way
  EXPECT_EQ(Next(), Step::kNothing);
  observed_.deks = 1;
  observed_.assignment = OrderAfter(Step::kReencrypt, desired_, observed_.assignment, false);
  EXPECT_EQ(Next(), Step::kNothing);  // it made a new KEK as well
  desired_.rekeys = 2;
  desired_.key = Key(kSecond);  // another key first
  EXPECT_EQ(Next(), Step::kRewrap);
  observed_.key_uri = api::CanonicalUri(Key(kSecond));
  observed_.assignment = OrderAfter(Step::kRewrap, desired_, observed_.assignment, false);
  EXPECT_EQ(Next(), Step::kRekey);  // which was not forgotten meanwhile
  desired_.fencing = 9;
  observed_.assignment = OrderAfter(Step::kTakeOrder, desired_, observed_.assignment, false);
  EXPECT_EQ(Next(), Step::kRekey);
  observed_.assignment = OrderAfter(Step::kRekey, desired_, observed_.assignment, false);
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_EQ(ReportOf(desired_, observed_, "").rekeys, 2u);
}

TEST_F(ReconcileTest, AnOrderThatIsTakenHasWhatWasDoneAndNoMore) {
  desired_.customers = true;
  desired_.rekeys = desired_.reencrypts = desired_.opens = desired_.rewraps = 3;
  const auto made = OrderAfter(Step::kCreate, desired_, std::nullopt, true);
  EXPECT_TRUE(made.customers);
  EXPECT_EQ(made.rekeys + made.reencrypts + made.opens + made.rewraps, 12u);
  EXPECT_FALSE(OrderAfter(Step::kTakeOrder, desired_, std::nullopt, true).customers);
  EXPECT_TRUE(OrderAfter(Step::kTakeOrder, desired_, std::nullopt, false).customers);
  const Assignment escrow{"o", "c", "orders", 2, Key(kEscrow), false, 0};
  EXPECT_FALSE(OrderAfter(Step::kRewrap, desired_, escrow, false).customers);
  EXPECT_TRUE(OrderAfter(Step::kReencrypt, desired_, escrow, false).customers);
  const auto opened = OrderAfter(Step::kOpen, desired_, escrow, false);
  EXPECT_EQ(opened.opens, 3u);
  EXPECT_EQ(opened.key, escrow.key);
  EXPECT_EQ(opened.rewraps, 0u);
}

TEST_F(ReconcileTest, TheServersTermsGoBeforeItsOwnAndAreSetWhereTheyAreNotInForce) {
  using std::chrono::seconds;
  EXPECT_EQ(Next(), Step::kNothing);  // a process that says none cannot be told any
  observed_.settings = CustodySettings();
  EXPECT_EQ(Next(), Step::kNothing);
  observed_.terms.own.check_interval = seconds(7);
  EXPECT_EQ(Next(), Step::kCustody);
  EXPECT_EQ(ReportOf(desired_, observed_, "").terms->check_interval, seconds(60));
  EXPECT_FALSE(ReportOf(desired_, observed_, "").terms_told);
  desired_.custody = api::CustodyTerms();
  EXPECT_EQ(Next(), Step::kNothing);
  desired_.custody->open_grant = seconds(300);
  EXPECT_EQ(Next(), Step::kNothing);  // the agent's own affair
  EXPECT_EQ(ReportOf(desired_, observed_, "").terms, desired_.custody);
  desired_.custody->on_denied = OnDenied::kAlert;
  observed_.terms.loosest.on_denied = OnDenied::kSeal;  // whatever any server orders
  EXPECT_EQ(Next(), Step::kNothing);
  EXPECT_EQ(ReportOf(desired_, observed_, "").terms->on_denied, OnDenied::kSeal);
  observed_.terms.loosest = api::LoosestTerms();
  desired_.key = Key(kSecond);
  EXPECT_EQ(Next(), Step::kCustody);
  observed_.custody = "sealed";
  EXPECT_EQ(Next(), Step::kCustody);
  observed_.settings.reset();
  Down();
  EXPECT_EQ(Next(), Step::kStart);
  EXPECT_EQ(ReportOf(desired_, observed_, "").terms, desired_.custody);  // of the next start
  desired_.goal = NodeGoal::kStopped;
  EXPECT_EQ(Next(), Step::kNothing);
}

TEST_F(ReconcileTest, WhatTheKmsSealedIsOpenedByHandOnceForEachOrder) {
  observed_.custody = "sealed";
  for (const char* reason : {"denied", "grace"}) {
    observed_.custody_reason = reason;
    desired_.opens = 1;
    observed_.assignment->opens = 0;
    EXPECT_EQ(Next(), Step::kOpen) << reason;
    observed_.assignment = OrderAfter(Step::kOpen, desired_, observed_.assignment, false);
    EXPECT_EQ(Next(), Step::kNothing) << reason;
  }
  observed_.custody = "open";
  desired_.opens = 2;
  EXPECT_EQ(Next(), Step::kTakeOrder);
}

const std::optional<Answered> kHeard = Answered{"e", 7};

TEST_F(ReconcileTest, AnOlderOrAnotherStoreIsBelievedOnlyAsAnAnswer) {
  DesiredState next = desired_;
  EXPECT_TRUE(Obeys(desired_, next, std::nullopt));
  next.revision = 8;
  EXPECT_TRUE(Obeys(desired_, next, std::nullopt));
  next.revision = 6;
  EXPECT_FALSE(Obeys(desired_, next, std::nullopt));
  EXPECT_TRUE(Obeys(desired_, next, kHeard));
  next = desired_;
  next.epoch = "another";
  EXPECT_FALSE(Obeys(desired_, next, std::nullopt));
  EXPECT_TRUE(Obeys(desired_, next, kHeard));
  EXPECT_TRUE(Obeys(DesiredState(), next, std::nullopt));
  // An answer that was on its way while something newer was obeyed.
  next = desired_;
  next.revision = 6;
  EXPECT_FALSE(Obeys(desired_, next, Answered{"e", 5}));
  EXPECT_FALSE(Obeys(desired_, next, Answered{"another", 7}));
}

TEST_F(ReconcileTest, ARevokeOfThisClusterIsAlwaysObeyedAndALowerFencingNumberNever) {
  DesiredState next = desired_;
  next.goal = NodeGoal::kRevoked;
  next.revision = 1;
  next.epoch = "another";
  next.fencing = 1;
  EXPECT_TRUE(Obeys(desired_, next, std::nullopt));
  next.goal = NodeGoal::kOpen;
  EXPECT_FALSE(Obeys(desired_, next, kHeard));
  next.goal = NodeGoal::kRevoked;
  next.cluster = "other";
  EXPECT_FALSE(Obeys(desired_, next, std::nullopt));
}

TEST_F(ReconcileTest, WhatDoesNotRunIsReportedAsSealed) {
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody, "open");
  Down();
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody, "sealed");
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody_reason, "");
  desired_.goal = NodeGoal::kRevoked;
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody_reason, "");
  observed_.revoked_on_disk = true;
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody_reason, "revoked");
  observed_.starting = true;  // and may have read the disk before
  EXPECT_EQ(ReportOf(desired_, observed_, "").custody_reason, "");
  const api::NodeReport report = ReportOf(desired_, observed_, "why");
  EXPECT_EQ(report.problem, "why");
  EXPECT_EQ(report.revision, 7u);
  EXPECT_EQ(report.cluster, "c");
}

}  // namespace
}  // namespace freehold::agent
