#include "custody/custody.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

using namespace std::chrono_literals;
using Kind = CustodyAction::Kind;

KmsFailure Failure(KmsClass kms_class) {
  KmsFailure failure = OwnFailure(kms_class, "Decrypt", "the KMS's words");
  failure.code = "SomeException";
  return failure;
}

class CustodyTest : public ::testing::Test {
 protected:
  CustodyTest() { Restart(CustodySettings{}); }
  void Restart(const CustodySettings& settings) {
    settings_ = settings;
    custody_ = std::make_unique<Custody>(settings_, clock_);
  }
  void OpenNow() {
    custody_->RequestOpen();
    EXPECT_EQ(custody_->Next().kind, Kind::kOpen);
    custody_->Opened(clock_.Boot());
  }
  void ProbeDueAfter(Duration d) {
    clock_.Advance(d - 1ms);
    EXPECT_EQ(custody_->Next().kind, Kind::kWait);
    clock_.Advance(1ms);
    EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  }

  FakeClock clock_;
  CustodySettings settings_;
  std::unique_ptr<Custody> custody_;
};

TEST_F(CustodyTest, AnOpenVolumeIsProbedAtTheInterval) {
  OpenNow();
  ProbeDueAfter(settings_.check_interval);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->state(), CustodyState::kOpen);
  ProbeDueAfter(settings_.check_interval);
}

TEST_F(CustodyTest, AnOutageAfterADenialDoesNotHideTheDenial) {
  OpenNow();
  clock_.Advance(60s);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  clock_.Advance(5s);
  custody_->ProbeFailed(Failure(KmsClass::kUnreachable));
  EXPECT_EQ(custody_->Snapshot().last_failure->kms_class, KmsClass::kUnreachable);
  EXPECT_EQ(custody_->Snapshot().last_denial->kms_class, KmsClass::kDenied);
  custody_->Sealed();
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_FALSE(custody_->Snapshot().last_denial.has_value());
}

TEST_F(CustodyTest, AFailureOfAnOpeningThatAnOrderCutOffIsNotRemembered) {
  custody_->RequestOpen();
  custody_->RequestSeal(SealReason::kRevoked);
  custody_->OpenFailed(Failure(KmsClass::kAmbiguous));
  EXPECT_EQ(custody_->Snapshot().reason, SealReason::kRevoked);
  EXPECT_FALSE(custody_->Snapshot().last_failure.has_value());
}

TEST_F(CustodyTest, ADenialIsLookedAtAgainAndThenSeals) {
  OpenNow();
  clock_.Advance(60s);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  EXPECT_EQ(custody_->state(), CustodyState::kGrace);
  ProbeDueAfter(settings_.confirm_after);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  const CustodyAction action = custody_->Next();
  EXPECT_EQ(action.kind, Kind::kSeal);
  EXPECT_EQ(action.reason, SealReason::kDenied);
  custody_->Sealed();
  EXPECT_EQ(custody_->Snapshot().last_failure->message, "the KMS's words");
}

TEST_F(CustodyTest, ADenialThatIsTakenBackRenews) {
  OpenNow();
  clock_.Advance(60s);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  clock_.Advance(5s);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->state(), CustodyState::kOpen);
  EXPECT_FALSE(custody_->Snapshot().last_failure.has_value());
}

TEST_F(CustodyTest, ADenialFollowedByAnOutageSealsToo) {
  for (KmsClass second : {KmsClass::kUnreachable, KmsClass::kAmbiguous, KmsClass::kOurs,
                          KmsClass::kData, KmsClass::kDenied}) {
    Restart(CustodySettings{});
    OpenNow();
    custody_->ProbeFailed(Failure(KmsClass::kDenied));
    custody_->ProbeFailed(Failure(second));
    EXPECT_EQ(custody_->Next().reason, SealReason::kDenied);
  }
}

TEST_F(CustodyTest, EveryClassButDeniedHasTheGraceAndThenSeals) {
  for (KmsClass kms_class :
       {KmsClass::kUnreachable, KmsClass::kAmbiguous, KmsClass::kOurs, KmsClass::kData}) {
    Restart(CustodySettings{});
    OpenNow();
    const BootTime opened = clock_.Boot();
    while (clock_.Boot() - opened < settings_.check_interval + settings_.outage_grace) {
      const CustodyAction action = custody_->Next();
      ASSERT_NE(action.kind, Kind::kSeal) << NameOf(kms_class);
      if (action.kind == Kind::kProbe) {
        custody_->ProbeFailed(Failure(kms_class));
      } else {
        clock_.Advance(action.until - clock_.Boot());
      }
    }
    const CustodyAction action = custody_->Next();
    EXPECT_EQ(action.kind, Kind::kSeal);
    EXPECT_EQ(action.reason, SealReason::kGraceUsedUp);
  }
}

TEST_F(CustodyTest, AnOutageShorterThanTheGraceEndsOpen) {
  OpenNow();
  clock_.Advance(60s);
  custody_->ProbeFailed(Failure(KmsClass::kUnreachable));
  clock_.Advance(20min);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->state(), CustodyState::kOpen);
  clock_.Advance(30min);
  EXPECT_NE(custody_->Next().kind, Kind::kSeal);
}

TEST_F(CustodyTest, TheLeaseCountsFromWhenTheRequestWasSent) {
  OpenNow();
  clock_.Advance(60s);
  const BootTime sent = clock_.Boot();
  clock_.Advance(9s);  // a slow answer
  custody_->ProbeSucceeded(sent);
  clock_.Advance(settings_.check_interval + settings_.outage_grace - 9s);
  EXPECT_TRUE(custody_->LeaseExpired());
}

TEST_F(CustodyTest, AfterADenialTheReturnOfTheKeyOpensByItself) {
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->Sealed();
  clock_.Advance(10s);
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  EXPECT_EQ(custody_->state(), CustodyState::kSealed);
  clock_.Advance(10s);
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->Next().kind, Kind::kOpen);
}

TEST_F(CustodyTest, WithManualReturnItWaitsForTheOrder) {
  CustodySettings settings;
  settings.on_key_return = OnKeyReturn::kManual;
  Restart(settings);
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->Sealed();
  clock_.Advance(1h);
  EXPECT_EQ(custody_->Next().kind, Kind::kWait);
  custody_->RequestOpen();
  EXPECT_EQ(custody_->Next().kind, Kind::kOpen);
}

TEST_F(CustodyTest, AStoppedVolumeStaysSealed) {
  OpenNow();
  custody_->RequestSeal(SealReason::kStopped);
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
  custody_->Sealed();
  clock_.Advance(2h);
  EXPECT_EQ(custody_->Next().kind, Kind::kWait);
}

TEST_F(CustodyTest, WithAlertOnlyADenialNeverSeals) {
  CustodySettings settings;
  settings.on_denied = OnDenied::kAlert;
  Restart(settings);
  OpenNow();
  for (int i = 0; i < 1000; ++i) {
    clock_.Advance(10s);
    ASSERT_NE(custody_->Next().kind, Kind::kSeal);
    custody_->ProbeFailed(Failure(KmsClass::kDenied));
  }
  EXPECT_EQ(custody_->state(), CustodyState::kGrace);
}

TEST_F(CustodyTest, APausedMachineProbesBeforeItServesAndLosesThatTimeOfItsLease) {
  OpenNow();
  clock_.AdvanceWallOnly(10min);
  EXPECT_TRUE(custody_->MustNotServe());
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_FALSE(custody_->MustNotServe());

  clock_.AdvanceWallOnly(3h);
  EXPECT_TRUE(custody_->MustNotServe());
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
}

TEST_F(CustodyTest, ASealThatIsAskedForDuringAnOpeningIsNotForgotten) {
  custody_->RequestOpen();
  custody_->RequestSeal(SealReason::kRevoked);
  custody_->Opened(clock_.Boot());
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
  EXPECT_EQ(custody_->Next().reason, SealReason::kRevoked);
}

TEST_F(CustodyTest, AnOpeningThatFailsLeavesItSealedWithTheKmssWords) {
  custody_->RequestOpen();
  custody_->OpenFailed(Failure(KmsClass::kUnreachable));
  const CustodyStatus status = custody_->Snapshot();
  EXPECT_EQ(status.state, CustodyState::kSealed);
  EXPECT_EQ(status.last_failure->code, "SomeException");
  EXPECT_TRUE(status.next_probe_at.has_value());
}

// Sealed by the KMS's "no".
class SealedCustodyTest : public CustodyTest {
 protected:
  void SealByDenial(OnKeyReturn on_key_return) {
    CustodySettings settings;
    settings.on_key_return = on_key_return;
    Restart(settings);
    custody_->RequestOpen();
    custody_->OpenFailed(Failure(KmsClass::kDenied));
    EXPECT_EQ(custody_->Next().kind, Kind::kWait);
  }
};

TEST_F(CustodyTest, AProbeThatIsAskedForIsMadeAtOnce) {
  OpenNow();
  EXPECT_EQ(custody_->Next().kind, Kind::kWait);
  EXPECT_TRUE(custody_->RequestProbe());
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeSucceeded(clock_.Boot());
  ProbeDueAfter(settings_.check_interval);
}

TEST_F(CustodyTest, ASecondLookKeepsItsTimeWhoeverAsks) {
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  EXPECT_TRUE(custody_->RequestProbe());
  ProbeDueAfter(settings_.confirm_after);
}

TEST_F(SealedCustodyTest, AProbeThatIsAskedForOpensAgainAtOnce) {
  SealByDenial(OnKeyReturn::kAuto);
  EXPECT_TRUE(custody_->RequestProbe());
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->Next().kind, Kind::kOpen);
}

TEST_F(SealedCustodyTest, AProbeThatIsAskedForIsMadeOnce) {
  SealByDenial(OnKeyReturn::kAuto);
  EXPECT_TRUE(custody_->RequestProbe());
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  EXPECT_EQ(custody_->Next().kind, Kind::kWait);
}

TEST_F(SealedCustodyTest, WithManualReturnAProbeTellsThatTheKeyIsBackAndOpensNothing) {
  SealByDenial(OnKeyReturn::kManual);
  EXPECT_TRUE(custody_->RequestProbe());
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->Next().kind, Kind::kWait);
  EXPECT_EQ(custody_->state(), CustodyState::kSealed);
  EXPECT_FALSE(custody_->Snapshot().last_denial.has_value());
}

TEST_F(CustodyTest, AKeyThatWasRevokedOrStoppedIsNotProbed) {
  for (const SealReason reason : {SealReason::kRevoked, SealReason::kStopped}) {
    custody_->RequestSeal(reason);
    EXPECT_FALSE(custody_->RequestProbe());
    custody_->Sealed();
    EXPECT_FALSE(custody_->RequestProbe());
    EXPECT_EQ(custody_->Next().kind, Kind::kWait);
    Restart(settings_);
  }
}

TEST_F(CustodyTest, WithADelayADenialSealsOnlyWhenItIsOver) {
  settings_.seal_delay = 10min;
  Restart(settings_);
  OpenNow();
  clock_.Advance(60s);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  EXPECT_FALSE(custody_->Snapshot().seals_at.has_value());  // not confirmed yet
  clock_.Advance(5s);
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  EXPECT_EQ(custody_->state(), CustodyState::kGrace);
  ASSERT_TRUE(custody_->Snapshot().seals_at.has_value());
  EXPECT_EQ(*custody_->Snapshot().seals_at - clock_.Wall(), 10min);
  const BootTime confirmed = clock_.Boot();
  while (clock_.Boot() - confirmed < 10min) {
    const CustodyAction action = custody_->Next();
    ASSERT_NE(action.kind, Kind::kSeal);
    if (action.kind == Kind::kProbe) {
      custody_->ProbeFailed(Failure(KmsClass::kDenied));
    } else {
      clock_.Advance(action.until - clock_.Boot());
    }
  }
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
  EXPECT_EQ(custody_->Snapshot().reason, SealReason::kDenied);
  custody_->Sealed();
  EXPECT_FALSE(custody_->Snapshot().seals_at.has_value());
}

TEST_F(CustodyTest, ADelayIsTakenBackByASuccessAndNeitherByAnOutageNorByTheGracesEnd) {
  settings_.seal_delay = 1h;  // longer than the grace
  Restart(settings_);
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  clock_.Advance(59min);
  custody_->ProbeFailed(Failure(KmsClass::kUnreachable));
  EXPECT_NE(custody_->Next().kind, Kind::kSeal);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->state(), CustodyState::kOpen);
  EXPECT_FALSE(custody_->Snapshot().seals_at.has_value());
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kUnreachable));
  clock_.Advance(1h);
  EXPECT_EQ(custody_->Next().reason, SealReason::kDenied);
}

TEST_F(CustodyTest, ADelayRunsWhileTheMachineIsPaused) {
  settings_.seal_delay = 10min;
  Restart(settings_);
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  clock_.AdvanceWallOnly(10min);
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
  EXPECT_EQ(custody_->Snapshot().reason, SealReason::kDenied);
}

TEST_F(CustodyTest, NewSettingsCountAtOnce) {
  OpenNow();
  CustodySettings settings = settings_;
  settings.check_interval = 10s;
  settings.outage_grace = 1min;
  clock_.Advance(30s);
  custody_->ChangeSettings(settings);
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeFailed(Failure(KmsClass::kUnreachable));
  clock_.Advance(40s);  // 70 since the last success
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
  EXPECT_EQ(custody_->Snapshot().reason, SealReason::kGraceUsedUp);
}

TEST_F(CustodyTest, AnOpenVolumeIsAskedForBeforeAShorterLeaseEndsIt) {
  OpenNow();
  clock_.Advance(50s);
  CustodySettings settings = settings_;
  settings.check_interval = 1s;
  settings.outage_grace = 0s;
  custody_->ChangeSettings(settings);
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
  custody_->ProbeSucceeded(clock_.Boot());
  EXPECT_EQ(custody_->state(), CustodyState::kOpen);
  for (int i = 0; i < 10; ++i) {  // and goes on without any grace, while the KMS says yes
    clock_.Advance(1s);
    ASSERT_EQ(custody_->Next().kind, Kind::kProbe);
    custody_->ProbeSucceeded(clock_.Boot());
  }
  clock_.Advance(1s);
  custody_->ProbeFailed(Failure(KmsClass::kUnreachable));
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
}

TEST_F(CustodyTest, AChangedDelayCountsForADenialThatWaits) {
  settings_.seal_delay = 10min;
  Restart(settings_);
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  clock_.Advance(2min);
  CustodySettings settings = settings_;
  settings.on_denied = OnDenied::kAlert;
  custody_->ChangeSettings(settings);
  EXPECT_FALSE(custody_->Snapshot().seals_at.has_value());
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  clock_.Advance(10min);
  EXPECT_NE(custody_->Next().kind, Kind::kSeal);
  custody_->ChangeSettings(settings_);  // a "no" of before is looked at anew
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  settings.on_denied = OnDenied::kSeal;
  settings.seal_delay = 1min;
  clock_.Advance(1min);
  EXPECT_NE(custody_->Next().kind, Kind::kSeal);
  custody_->ChangeSettings(settings);
  EXPECT_EQ(custody_->Next().kind, Kind::kSeal);
}

TEST_F(CustodyTest, AManualReturnThatBecomesAutomaticOpensByItself) {
  settings_.on_key_return = OnKeyReturn::kManual;
  Restart(settings_);
  OpenNow();
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->ProbeFailed(Failure(KmsClass::kDenied));
  custody_->Sealed();
  clock_.Advance(1h);
  EXPECT_EQ(custody_->Next().kind, Kind::kWait);
  settings_.on_key_return = OnKeyReturn::kAuto;
  custody_->ChangeSettings(settings_);
  EXPECT_EQ(custody_->Next().kind, Kind::kProbe);
}

}  // namespace
}  // namespace freehold
