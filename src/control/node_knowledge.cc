#include "control/node_knowledge.h"

#include <algorithm>

namespace freehold::control {
namespace {

constexpr std::uint64_t kMostRewraps = 1'000'000;

}  // namespace

Result<bool> TakeOver(Cluster& cluster, const api::NodeReport& report, const std::string& region,
                      const api::KeySpec& escrow, WallTime now) {
  bool changed = false;
  if (report.custody_reason == "revoked" && !cluster.revoked.has_value()) {
    cluster.revoked = Revocation{now, "", {}};
    changed = true;
  }
  for (Region& one : cluster.regions) {
    if (one.name != region || !report.key.has_value()) continue;
    TRY(api::ToKeyAccess(*report.key, cluster.organization));
    const auto is_it = [&](const RegionKey& key) {
      return api::CanonicalUri(key.spec) == report.key_uri;
    };
    const bool is_known = std::any_of(one.keys.begin(), one.keys.end(), is_it);
    const bool is_escrow = api::SameKey(*report.key, escrow);
    if (is_known || is_escrow || api::CanonicalUri(*report.key) != report.key_uri) continue;
    for (RegionKey& past : one.keys) past.status = api::CmekStatus::kDisabled;
    one.keys.insert(one.keys.begin(),
                    RegionKey{*report.key, api::CmekStatus::kEnabled, "", now, now});
    if (report.rewraps < kMostRewraps) one.rewraps = std::max(one.rewraps, report.rewraps);
    changed = true;
  }
  if (changed) cluster.updated_at = now;
  return changed;
}

Status LearnCluster(Transaction& transaction, const api::NodeReport& report,
                    const api::KeySpec& escrow, WallTime now) {
  if (!TRY(transaction.Get(Kind::kOrganization, report.organization)).has_value()) {
    Organization organization;
    organization.id = report.organization;
    organization.name = "organization " + report.organization;
    organization.created_at = now;
    organization.cmek_granted = true;
    TRY(transaction.Put(ToRecord(organization)));
  }
  Cluster cluster;
  if (const auto record = TRY(transaction.Get(Kind::kCluster, report.cluster));
      record.has_value()) {
    cluster = TRY(FromRecord<Cluster>(*record));
  } else {
    cluster.id = report.cluster;
    cluster.organization = report.organization;
    cluster.name = report.cluster_name;
    cluster.created_at = now;
    cluster.state = ClusterState::kRunning;
  }
  auto region =
      std::lower_bound(cluster.regions.begin(), cluster.regions.end(), report.region,
                       [](const Region& one, const std::string& name) { return one.name < name; });
  if (region != cluster.regions.end() && region->name == report.region) {
    ++region->node_count;
  } else {
    region = cluster.regions.insert(
        region, Region{report.region, 1, {}, std::min(report.rewraps, kMostRewraps)});
  }
  if (report.key.has_value()) TRY(api::ToKeyAccess(*report.key, cluster.organization));
  const bool is_customers = report.key.has_value() && !api::SameKey(*report.key, escrow);
  if (region->keys.empty() && is_customers) {
    region->keys = {{*report.key, api::CmekStatus::kEnabled, "", now, now}};
  }
  cluster.updated_at = now;
  return transaction.Put(ToRecord(cluster));
}

}  // namespace freehold::control
