#include "control/node_knowledge.h"

#include <algorithm>

namespace freehold::control {
namespace {

constexpr std::uint64_t kMostRewraps = 1'000'000;

// What the node has followed already is not asked of it in vain.
bool RaiseCount(std::uint64_t& count, std::uint64_t followed) {
  if (followed <= count || followed >= kMostRewraps) return false;
  count = followed;
  return true;
}

}  // namespace

Result<bool> TakeOver(Cluster& cluster, const api::NodeReport& report, const std::string& region,
                      const api::KeySpec& escrow, WallTime now) {
  bool changed = false;
  if (report.custody_reason == "revoked" && !cluster.revoked.has_value()) {
    cluster.revoked = Revocation{now, "", {}};
    changed = true;
  }
  changed = RaiseCount(cluster.opens, report.opens) || changed;
  for (Region& one : cluster.regions) {
    if (one.name != region || !report.key.has_value()) continue;
    changed = RaiseCount(one.rekeys, report.rekeys) || changed;
    changed = RaiseCount(one.reencrypts, report.reencrypts) || changed;
    TRY(api::ToKeyAccess(*report.key, cluster.organization));
    const std::string uri = CanonicalKeyUri(report.key_uri);
    const auto is_it = [&](const RegionKey& key) { return api::CanonicalUri(key.spec) == uri; };
    const bool is_known = std::any_of(one.keys.begin(), one.keys.end(), is_it);
    const bool is_escrow = NameSameKey(report.key->uri, escrow.uri);
    if (is_known || is_escrow || api::CanonicalUri(*report.key) != uri) continue;
    for (RegionKey& past : one.keys) past.status = api::CmekStatus::kDisabled;
    one.keys.insert(one.keys.begin(),
                    RegionKey{*report.key, api::CmekStatus::kEnabled, "", now, now});
    if (report.rewraps < kMostRewraps) one.rewraps = std::max(one.rewraps, report.rewraps);
    changed = true;
  }
  // What may have been forgotten is a change to tighter terms; a looser one can be asked for again.
  if (report.terms_told && report.terms.has_value() && api::CheckTerms(*report.terms).ok()) {
    const api::CustodyTerms tighter =
        cluster.terms.has_value() ? api::Tighter(*cluster.terms, *report.terms) : *report.terms;
    changed = changed || cluster.terms != tighter;
    cluster.terms = tighter;
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
    RaiseCount(region->rekeys, report.rekeys);
    RaiseCount(region->reencrypts, report.reencrypts);
  }
  if (report.key.has_value()) TRY(api::ToKeyAccess(*report.key, cluster.organization));
  const bool is_customers = report.key.has_value() && !NameSameKey(report.key->uri, escrow.uri);
  if (region->keys.empty() && is_customers) {
    region->keys = {{*report.key, api::CmekStatus::kEnabled, "", now, now}};
  }
  cluster.updated_at = now;
  return transaction.Put(ToRecord(cluster));
}

}  // namespace freehold::control
