#include "control/restorers.h"

#include <algorithm>

#include "control/cluster_view.h"
#include "control/cmek.h"
#include "control/outbox.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::size_t kMostNamed = 10;

bool MayRestore(const Revoked& revoked, const Caller& caller, WallTime now) {
  const auto roles = caller.RolesFor(Permission::kRestoreKeys, revoked.at);
  return !roles.empty() && CheckMayRestore(revoked.revocation, caller, roles, now).ok() &&
         CheckMayRestoreProject(revoked.project, caller, now).ok();
}

bool CouldEverRestore(const std::vector<Grant>& grants) {
  return std::any_of(grants.begin(), grants.end(),
                     [](const Grant& grant) { return May(grant.role, Permission::kRestoreKeys); });
}

// "a, b and 3 more"
std::string Named(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) {
    const bool is_last = i + 1 == names.size();
    text += (i == 0 ? "" : is_last ? " and " : ", ") + names[i];
  }
  if (names.size() > kMostNamed) text += fmt::format(" and {} more", names.size() - kMostNamed);
  return text;
}

Result<bool> SomebodyMayRestore(Transaction& transaction, const Revoked& revoked, Duration wait,
                                WallTime now) {
  const auto accounts =
      TRY(LoadAll<ServiceAccount>(transaction, Kind::kServiceAccount, revoked.at.organization, {}));
  for (const ServiceAccount& account : accounts) {
    if (account.id == revoked.revocation.by || !CouldEverRestore(account.grants)) continue;
    for (const ApiKey& key : TRY(LoadAll<ApiKey>(transaction, Kind::kApiKey, account.id, {}))) {
      if (MayRestore(revoked, CallerOf(account, key, wait), now)) return true;
    }
  }
  return false;
}

Result<std::string> WarningOf(Transaction& transaction, const Revoked& revoked, Duration wait,
                              WallTime now) {
  if (TRY(SomebodyMayRestore(transaction, revoked, wait, now))) return std::string();
  const std::vector<Role>& roles = revoked.revocation.roles;
  const bool was_custodian =
      std::find(roles.begin(), roles.end(), Role::kKeyCustodian) != roles.end();
  const bool was_admin =
      std::find(roles.begin(), roles.end(), Role::kOrganizationAdmin) != roles.end();
  return fmt::format(
      "No other service account could restore these keys now: make one with the role {}, and an "
      "API key for other hands; made before the revocation it may restore at once, made after it "
      "only {} later.",
      NameOf(was_custodian && !was_admin ? Role::kOrganizationAdmin : Role::kKeyCustodian),
      FormatSetting(wait));
}

// The revocation that there is, or the one that the caller could make; nothing where it could not.
std::optional<Revocation> PresentOrPossible(const std::optional<Revocation>& present, bool has_keys,
                                            const Place& at, const Caller& caller, WallTime now) {
  if (present.has_value()) return present;
  const auto roles = caller.RolesFor(Permission::kRevokeKeys, at);
  if (!has_keys || roles.empty()) return std::nullopt;
  return Revocation{now, caller.service_account, roles};
}

}  // namespace

Caller CallerOf(const ServiceAccount& account, const ApiKey& key, Duration restore_wait) {
  const auto touched = [](const auto& made) {
    return made.operator_touched_at.value_or(made.created_at);  // not too late, at least
  };
  return {key.id,
          account.id,
          account.name,
          account.organization,
          account.grants,
          std::max(key.created_at, account.created_at),
          std::max(touched(key), touched(account)),
          restore_wait};
}

Result<std::vector<Revoked>> LoadRevoked(Transaction& transaction, const std::string& organization,
                                         const std::vector<Grant>& grants) {
  std::vector<Revoked> all;
  if (!CouldEverRestore(grants)) return all;
  const auto projects = TRY(LoadAll<Project>(transaction, Kind::kProject, organization, {}));
  for (const Project& project : projects) {
    if (!project.revoked.has_value()) continue;
    all.push_back({"the project " + project.name, PlaceOf(project), *project.revoked, {}});
  }
  for (const Cluster& cluster :
       TRY(LoadAll<Cluster>(transaction, Kind::kCluster, organization, {}))) {
    if (!cluster.revoked.has_value()) continue;
    const auto its = std::find_if(projects.begin(), projects.end(), [&](const Project& project) {
      return project.id == cluster.project;
    });
    const auto project = its == projects.end() ? std::nullopt : std::optional(*its);
    const bool is_with_project =
        cluster.revoked->of_project && project.has_value() && project->revoked.has_value();
    if (is_with_project) continue;
    all.push_back({"the cluster " + cluster.name, PlaceOf(cluster), *cluster.revoked, project});
  }
  return all;
}

WallTime CreationTime(const std::vector<Revoked>& revoked, WallTime now) {
  for (const Revoked& one : revoked) now = std::max(now, one.revocation.at);
  return now;
}

Status TellAwaited(Transaction& transaction, const Caller& maker, const ServiceAccount& account,
                   const ApiKey& key, const std::vector<Revoked>& all_revoked, WallTime now) {
  const Caller caller = CallerOf(account, key, maker.restore_wait);
  std::vector<std::string> names;
  for (const Revoked& revoked : all_revoked) {
    // Who may at once is no news: nobody knows who revoked that (cmek.h).
    if (MayRestore(revoked, caller, now)) continue;
    if (MayRestore(revoked, caller, caller.MatureAt())) names.push_back(revoked.name);
  }
  if (names.empty()) return {};
  Notice notice;
  notice.type = NoticeType::kRestoreAwaited;
  notice.at.organization = account.organization;
  notice.what = fmt::format(
      "The service account {} made the API key {} of the service account {} after the keys of {} "
      "were revoked.",
      maker.name, key.name, account.name, Named(names));
  notice.follows = fmt::format("by this API key {} may restore these keys", account.name);
  notice.follows_at = caller.MatureAt();
  notice.commands = {
      fmt::format("freehold api-key delete {}   # if that is not meant to be", key.id),
      fmt::format("freehold account delete {}   # or the account, with all of its API keys",
                  account.id)};
  TRY(Post(transaction, notice, now, now));
  return {};
}

Result<std::string> RestoreWarning(Transaction& transaction, const Cluster& cluster,
                                   const std::optional<Project>& project, const Caller& caller,
                                   WallTime now) {
  const auto revocation = PresentOrPossible(cluster.revoked, !PresentKeys(cluster).empty(),
                                            PlaceOf(cluster), caller, now);
  if (!revocation.has_value()) return std::string();
  return WarningOf(transaction, {cluster.name, PlaceOf(cluster), *revocation, project},
                   caller.restore_wait, now);
}

Result<std::string> RestoreWarning(Transaction& transaction, const Project& project,
                                   const Caller& caller, WallTime now) {
  const auto revocation =
      PresentOrPossible(project.revoked, project.cmek_enabled, PlaceOf(project), caller, now);
  if (!revocation.has_value()) return std::string();
  return WarningOf(transaction, {project.name, PlaceOf(project), *revocation, {}},
                   caller.restore_wait, now);
}

}  // namespace freehold::control
