#include "control/access.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

struct RoleRow {
  Role role;
  std::string_view name;
  std::vector<Permission> may;
};

const std::array<RoleRow, 6>& RoleTable() {
  using enum Permission;
  // Restoring is not with those who revoke in daily work; see also Clusters::Restore.
  static const std::array<RoleRow, 6> table = {{
      {Role::kOperator, "OPERATOR", {kManageOrganizations, kRead, kManageAccess}},
      {Role::kOrganizationAdmin,
       "ORG_ADMIN",
       {kRead, kManageAccess, kManageProjects, kManageClusters, kOperateClusters, kManageKeys,
        kRevokeKeys, kRestoreKeys}},
      {Role::kClusterAdmin,
       "CLUSTER_ADMIN",
       {kRead, kManageClusters, kOperateClusters, kManageKeys, kRevokeKeys}},
      {Role::kClusterOperator,
       "CLUSTER_OPERATOR_WRITER",
       {kRead, kOperateClusters, kManageKeys, kRevokeKeys}},
      {Role::kKeyCustodian, "KEY_CUSTODIAN", {kRead, kManageKeys, kRevokeKeys, kRestoreKeys}},
      {Role::kReadOnly, "READ_ONLY", {kRead}},
  }};
  return table;
}

const RoleRow& RowOf(Role role) { return RoleTable()[static_cast<std::size_t>(role)]; }

}  // namespace

std::string_view NameOf(Role role) { return RowOf(role).name; }

Result<Role> RoleFromName(std::string_view name) {
  for (const RoleRow& row : RoleTable()) {
    if (row.name == name) return row.role;
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no role", Printable(name)));
}

std::span<const Role> AllRoles() {
  static const auto roles = [] {
    std::array<Role, 6> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = RoleTable()[i].role;
    return all;
  }();
  return roles;
}

std::string_view NameOf(Permission permission) {
  static constexpr std::array<std::string_view, kPermissionCount> kNames = {
      "manage_organizations", "read",        "manage_access", "manage_projects", "manage_clusters",
      "operate_clusters",     "manage_keys", "revoke_keys",   "restore_keys"};
  return kNames[static_cast<std::size_t>(permission)];
}

bool May(Role role, Permission permission) {
  const auto& may = RowOf(role).may;
  return std::find(may.begin(), may.end(), permission) != may.end();
}

// Of the operator's own: no customer's cluster, and of an organization only itself.
bool Grant::Covers(const Place& place) const {
  if (role == Role::kOperator) return place.project.empty() && place.cluster.empty();
  if (at.organization.empty() || at.organization != place.organization) return false;
  if (!at.cluster.empty()) return at.cluster == place.cluster;
  return at.project.empty() || at.project == place.project;
}

WallTime Caller::MatureAt() const {
  return {std::chrono::ceil<std::chrono::seconds>((since + restore_wait).since_epoch)};
}

std::vector<Role> Caller::RolesFor(Permission permission, const Place& place) const {
  std::vector<Role> roles;
  for (const Grant& grant : grants) {
    if (May(grant.role, permission) && grant.Covers(place)) roles.push_back(grant.role);
  }
  return roles;
}

Status Caller::Require(Permission permission, const Place& place) const {
  if (!RolesFor(permission, place).empty()) return {};
  if (RolesFor(Permission::kRead, place).empty()) {
    return Error(ErrorCode::kNotFound, "there is no such thing, or you may not see it");
  }
  return Error(ErrorCode::kForbidden,
               fmt::format("this needs a role with the permission '{}' here", NameOf(permission)));
}

}  // namespace freehold::control
