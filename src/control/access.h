// Access: who is calling, which roles they hold where, and what a role may do.
//
// One table (kRoleTable in access.cc) says which role has which permission; every route of the
// server names the permission that it needs, and docs/api/routes.md is made from both. A role is
// held at the operator, an organization, a project or a cluster, and counts for all below it.
// Who may not even see a thing is told that it does not exist. Errors: kNotFound, kForbidden.
// Threads: values.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace freehold::control {

enum class Role {
  kOperator,           // whoever runs the service; above organizations
  kOrganizationAdmin,  // everything of the customer's
  kClusterAdmin,
  kClusterOperator,  // keeps clusters running
  kKeyCustodian,     // the keys, and nothing else
  kReadOnly,
};
std::string_view NameOf(Role role);  // "KEY_CUSTODIAN"
Result<Role> RoleFromName(std::string_view name);
std::span<const Role> AllRoles();

enum class Permission {
  kManageOrganizations,  // create them, grant CMEK, set their bounds
  kRead,                 // see the thing, its status and its history
  kManageAccess,         // service accounts, their roles and API keys
  kManageProjects,
  kManageClusters,   // create and delete
  kOperateClusters,  // start, stop, nodes
  kManageKeys,       // enable, rotate, add a region
  kRevokeKeys,
  kRestoreKeys,  // restore, disenrol, longer graces
};
inline constexpr int kPermissionCount = 9;
std::string_view NameOf(Permission permission);  // "manage_keys"

bool May(Role role, Permission permission);

// Where a thing is; ids that do not apply are "".
struct Place {
  std::string organization;
  std::string project;
  std::string cluster;
};

struct Grant {
  Role role = Role::kReadOnly;
  Place at;  // the operator's role is at no organization

  bool Covers(const Place& place) const;
};

// A server's, unless it says otherwise.
inline constexpr Duration kUsualRestoreWait = std::chrono::hours(72);

struct Caller {
  std::string api_key;          // id
  std::string service_account;  // id
  std::string name;             // for the audit log
  std::string organization;     // "" = the operator's
  std::vector<Grant> grants;
  WallTime since = {};  // when the younger of account and API key was made
  // When the operator last had a hand in where both come from: it made one of them, or the account
  // or the API key by which one of them was made, and so on. Until somebody says: always just now.
  WallTime operator_touched_at = {Duration::max()};
  Duration restore_wait = kUsualRestoreWait;  // the server's

  // From when it may restore what was revoked before it was made. In whole seconds, as it is said.
  WallTime MatureAt() const;

  // The roles that allow this there; empty: none does.
  std::vector<Role> RolesFor(Permission permission, const Place& place) const;
  // kNotFound where the caller may not see the place at all, kForbidden where only this is denied.
  Status Require(Permission permission, const Place& place) const;
};

}  // namespace freehold::control
