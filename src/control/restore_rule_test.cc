// Who restores what was revoked: the rule of cmek.h, case by case.
#include "control/cmek.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::control {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

const WallTime kRevoked{24h * 365 * 55};
constexpr Duration kWait = 72h;
const Revocation kByAdmin{kRevoked, "revoker", {Role::kOrganizationAdmin}};

// Of the customer's own, since long before the revocation.
Caller Custodian(WallTime since) {
  return {"key", "other", "other", "o", {}, since, kRevoked + -24h, kWait};
}

Status By(const Caller& caller, WallTime now, Role role = Role::kKeyCustodian) {
  return CheckMayRestore(kByAdmin, caller, {role}, now);
}

TEST(RestoreRule, WhatIsOlderThanTheRevocationRestoresAtOnce) {
  EXPECT_TRUE(By(Custodian(kRevoked + -1ns), kRevoked).ok());
}

TEST(RestoreRule, WhatIsYoungerRestoresWhenTheWaitIsOver) {
  for (const Duration age : {Duration(0ns), Duration(1h)}) {
    const WallTime made = kRevoked + age;
    EXPECT_EQ(By(Custodian(made), made).error().code(), ErrorCode::kForbidden);
    EXPECT_FALSE(By(Custodian(made), made + kWait + -1ns).ok());
    EXPECT_TRUE(By(Custodian(made), made + kWait).ok());
  }
}

TEST(RestoreRule, TheRefusalSaysFromWhen) {
  // The moment that is said is never too early, though it has no fractions.
  const Caller young = Custodian(kRevoked + 1ms);
  const WallTime said = kRevoked + 1s + kWait;
  EXPECT_EQ(By(young, kRevoked + 2s).error().message(),
            "this service account or its API key was made after these keys were revoked, and may "
            "restore them from " +
                FormatTime(said) + " on");
  EXPECT_FALSE(By(young, kRevoked + kWait + 1ms).ok());
  EXPECT_TRUE(By(young, said).ok());
}

TEST(RestoreRule, WhatTheOperatorMadeSinceTheRevocationNeverDoes) {
  Caller young = Custodian(kRevoked + 1h);
  for (const Duration touched : {Duration(0ns), Duration(1h)}) {
    young.operator_touched_at = kRevoked + touched;
    EXPECT_THAT(By(young, kRevoked + 24h * 365).error().message(), HasSubstr("never restores"));
  }
  young.operator_touched_at = kRevoked + -1ns;
  EXPECT_TRUE(By(young, kRevoked + 24h * 365).ok());
}

TEST(RestoreRule, NobodyIsTrustedWhoseOriginIsNotKnown) {
  const Caller unknown{"key", "other", "other", "o", {}, kRevoked};
  EXPECT_THAT(By(unknown, kRevoked + 24h * 365).error().message(), HasSubstr("never restores"));
}

TEST(RestoreRule, WhatTheOperatorMadeBeforeCountsAsBefore) {
  Caller old = Custodian(kRevoked + -1h);
  old.operator_touched_at = kRevoked + -1h;  // the first administrator
  EXPECT_TRUE(By(old, kRevoked).ok());
}

TEST(RestoreRule, AClockThatIsSetBackMakesItLater) {
  const Caller young = Custodian(kRevoked + 1h);
  EXPECT_FALSE(By(young, kRevoked + -24h * 365).ok());
  EXPECT_TRUE(By(Custodian(kRevoked + -1h), kRevoked + -24h * 365).ok());
}

TEST(RestoreRule, AgeReplacesNeitherAnotherAccountNorAnotherRole) {
  Caller caller = Custodian(kRevoked + 1h);
  const WallTime late = kRevoked + 24h * 365;
  EXPECT_THAT(By(caller, late, Role::kOrganizationAdmin).error().message(),
              HasSubstr("the role ORG_ADMIN revoked these keys"));
  // Of who would wait in vain nothing is promised.
  EXPECT_THAT(By(caller, kRevoked + 1h, Role::kOrganizationAdmin).error().message(),
              HasSubstr("the role ORG_ADMIN revoked these keys"));
  caller.service_account = "revoker";
  EXPECT_THAT(By(caller, late).error().message(), HasSubstr("another service account"));
}

TEST(RestoreRule, OfARevocationThatWasLostWithTheStoreNobodyIsTooYoung) {
  const Revocation lost{kRevoked, "", {}};
  const Caller unknown{"key", "other", "other", "o", {}, kRevoked};
  EXPECT_TRUE(CheckMayRestore(lost, unknown, {Role::kKeyCustodian}, kRevoked).ok());
}

TEST(RestoreRule, AClusterOfARevokedProjectTakesWhoMayRestoreTheProject) {
  Project project;
  project.id = "p";
  project.organization = "o";
  Caller caller = Custodian(kRevoked + -1h);
  caller.grants = {{Role::kKeyCustodian, {"o", "p", "c"}}};
  EXPECT_TRUE(CheckMayRestoreProject(std::nullopt, caller, kRevoked).ok());
  EXPECT_TRUE(CheckMayRestoreProject(project, caller, kRevoked).ok());
  project.revoked = kByAdmin;
  // Also where whoever revoked had all roles, and no role is another one.
  project.revoked->roles.push_back(Role::kKeyCustodian);
  EXPECT_THAT(CheckMayRestoreProject(project, caller, kRevoked).error().message(),
              HasSubstr("whole project"));
  caller.grants = {{Role::kKeyCustodian, {"o", "p", ""}}};
  EXPECT_TRUE(CheckMayRestoreProject(project, caller, kRevoked).ok());
}

}  // namespace
}  // namespace freehold::control
