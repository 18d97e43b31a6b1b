#include "control/restorers.h"

#include <algorithm>
#include <vector>

#include "control/cmek.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

// With each of an account's API keys somebody else is asking: a key counts from when it was made.
struct Candidate {
  std::string key;
  Caller caller;
};

Result<std::vector<Candidate>> CandidatesIn(Transaction& transaction,
                                            const std::string& organization) {
  std::vector<Candidate> candidates;
  for (const ServiceAccount& account :
       TRY(LoadAll<ServiceAccount>(transaction, Kind::kServiceAccount, organization, {}))) {
    for (const ApiKey& key : TRY(LoadAll<ApiKey>(transaction, Kind::kApiKey, account.id, {}))) {
      candidates.push_back({key.id, CallerWith(account, key)});
    }
  }
  return candidates;
}

bool MayRestore(const Cluster& cluster, const Caller& caller) {
  const auto roles = caller.RolesFor(Permission::kRestoreKeys, PlaceOf(cluster));
  return !roles.empty() && CheckMayRestore(*cluster.revoked, caller, roles).ok();
}

}  // namespace

Status CheckNotLastToRestore(Transaction& transaction, const ServiceAccount& account,
                             const std::string& key) {
  if (account.organization.empty()) return {};  // the operator restores nothing
  const auto clusters =
      TRY(LoadAll<Cluster>(transaction, Kind::kCluster, account.organization, {}));
  const auto is_revoked = [](const Cluster& cluster) { return cluster.revoked.has_value(); };
  if (std::none_of(clusters.begin(), clusters.end(), is_revoked)) return {};
  const auto candidates = TRY(CandidatesIn(transaction, account.organization));
  for (const Cluster& cluster : clusters) {
    if (!is_revoked(cluster)) continue;
    bool goes = false;
    bool stays = false;
    for (const Candidate& candidate : candidates) {
      if (!MayRestore(cluster, candidate.caller)) continue;
      const bool removed =
          candidate.caller.service_account == account.id && (key.empty() || candidate.key == key);
      (removed ? goes : stays) = true;
    }
    if (!goes || stays) continue;
    return Error(ErrorCode::kPrecondition,
                 fmt::format("without it nobody could restore the keys of cluster {}, which are "
                             "revoked; restore them first",
                             cluster.name));
  }
  return {};
}

}  // namespace freehold::control
