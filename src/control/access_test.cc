#include "control/access.h"

#include "gtest/gtest.h"

namespace freehold::control {
namespace {

const Place kCluster{"o1", "p1", "c1"};
const Place kOtherCluster{"o1", "p1", "c2"};
const Place kOtherProject{"o1", "p2", "c3"};
const Place kOtherOrganization{"o2", "p9", "c9"};

Caller With(Role role, Place at) { return {"k", "s", "s", at.organization, {{role, at}}, {}}; }

ErrorCode Refusal(const Caller& caller, Permission permission, const Place& place) {
  const Status allowed = caller.Require(permission, place);
  return allowed.ok() ? ErrorCode::kInternal : allowed.error().code();
}

TEST(Access, ARoleCountsForAllBelowWhereItIsHeld) {
  EXPECT_TRUE(
      With(Role::kKeyCustodian, {"o1", "", ""}).Require(Permission::kManageKeys, kCluster).ok());
  const Caller project = With(Role::kKeyCustodian, {"o1", "p1", ""});
  EXPECT_TRUE(project.Require(Permission::kManageKeys, kCluster).ok());
  EXPECT_EQ(Refusal(project, Permission::kManageKeys, kOtherProject), ErrorCode::kNotFound);
  const Caller cluster = With(Role::kKeyCustodian, {"o1", "p1", "c1"});
  EXPECT_TRUE(cluster.Require(Permission::kManageKeys, kCluster).ok());
  EXPECT_EQ(Refusal(cluster, Permission::kManageKeys, kOtherCluster), ErrorCode::kNotFound);
}

TEST(Access, AnotherOrganizationsThingsDoNotExist) {
  for (const Role role : AllRoles()) {
    if (role == Role::kOperator) continue;
    EXPECT_EQ(Refusal(With(role, {"o1", "", ""}), Permission::kRead, kOtherOrganization),
              ErrorCode::kNotFound)
        << NameOf(role);
  }
}

TEST(Access, WhoMaySeeIsToldThatOnlyTheActIsForbidden) {
  EXPECT_EQ(Refusal(With(Role::kReadOnly, {"o1", "", ""}), Permission::kRevokeKeys, kCluster),
            ErrorCode::kForbidden);
}

TEST(Access, TheOperatorTouchesNoClusterOfACustomer) {
  const Caller caller{"k", "s", "operator", "", {{Role::kOperator, {}}}, {}};
  EXPECT_TRUE(caller.Require(Permission::kManageOrganizations, {}).ok());
  EXPECT_TRUE(caller.Require(Permission::kRead, {"o1", "", ""}).ok());
  for (const Permission permission :
       {Permission::kRead, Permission::kManageKeys, Permission::kRestoreKeys}) {
    EXPECT_EQ(Refusal(caller, permission, kCluster), ErrorCode::kNotFound) << NameOf(permission);
  }
}

TEST(Access, WhoRevokesInDailyWorkDoesNotRestore) {
  for (const Role role : {Role::kClusterAdmin, Role::kClusterOperator}) {
    EXPECT_TRUE(May(role, Permission::kRevokeKeys));
    EXPECT_FALSE(May(role, Permission::kRestoreKeys));
  }
  EXPECT_TRUE(May(Role::kKeyCustodian, Permission::kRestoreKeys));
}

TEST(Access, NobodyWithoutRolesMayAnything) {
  EXPECT_EQ(Refusal({"k", "s", "s", "o1", {}, {}}, Permission::kRead, {"o1", "", ""}),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace freehold::control
