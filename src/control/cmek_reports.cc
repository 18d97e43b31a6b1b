// What nodes say of a cluster's keys, and what a client sees of that.
#include <algorithm>
#include <array>

#include "control/cmek.h"
#include "control/node_instances.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

using api::CmekStatus;

// Of a region, from its keys.
CmekStatus StatusOf(const Region& region) {
  if (region.keys.empty()) return CmekStatus::kDisabled;
  const bool rotates =
      region.keys.size() > 1 || region.rewraps + region.rekeys + region.reencrypts > 0;
  switch (region.keys.front().status) {
    case CmekStatus::kEnabling:
      return rotates ? CmekStatus::kRotating : CmekStatus::kEnabling;
    case CmekStatus::kEnableFailed:
      return rotates ? CmekStatus::kRotateFailed : CmekStatus::kEnableFailed;
    default:
      return region.keys.front().status;
  }
}

// Restored, and not open yet.
bool IsLeavingRevoked(const NodeState& node) { return node.custody_reason == "revoked"; }

CmekStatus WhileRevoked(const Revocation& revoked, const std::vector<NodeState>& nodes) {
  const auto has = [&](const NodeState& node) { return HasConfirmed(revoked, node); };
  return std::all_of(nodes.begin(), nodes.end(), has) ? CmekStatus::kRevoked
                                                      : CmekStatus::kRevoking;
}

// The states of custody, the worst last.
int Rank(const std::string& state) {
  static constexpr std::array<std::string_view, 5> kOrder = {"open", "opening", "grace", "sealing",
                                                             "sealed"};
  return static_cast<int>(std::find(kOrder.begin(), kOrder.end(), state) - kOrder.begin());
}

std::optional<api::RegionCustody> CustodyOf(const std::vector<NodeState>& nodes) {
  if (nodes.empty()) return std::nullopt;
  const auto worst = std::max_element(
      nodes.begin(), nodes.end(),
      [](const NodeState& a, const NodeState& b) { return Rank(a.custody) < Rank(b.custody); });
  api::RegionCustody custody;
  custody.state = worst->custody;
  custody.reason = worst->custody_reason;
  custody.message = worst->custody_message;
  custody.since = worst->since;
  custody.last_verified_at = worst->last_verified_at;
  custody.lease_expires_at = worst->lease_expires_at;
  custody.next_probe_at = worst->next_probe_at;
  for (const NodeState& node : nodes) {
    custody.nodes.push_back(node.node);
    custody.old_key_bytes += node.old_key_bytes;
  }
  return custody;
}

// Of a cluster, from its regions: trouble first, then what is under way.
CmekStatus Together(const std::vector<api::RegionInfo>& regions) {
  static constexpr CmekStatus kOrder[] = {CmekStatus::kRevoking,     CmekStatus::kRevokeFailed,
                                          CmekStatus::kRevoked,      CmekStatus::kEnableFailed,
                                          CmekStatus::kRotateFailed, CmekStatus::kDisableFailed,
                                          CmekStatus::kRotating,     CmekStatus::kEnabling,
                                          CmekStatus::kDisabling,    CmekStatus::kEnabled};
  for (const CmekStatus status : kOrder) {
    const auto has = [&](const api::RegionInfo& region) { return region.status == status; };
    if (std::any_of(regions.begin(), regions.end(), has)) return status;
  }
  return CmekStatus::kDisabled;
}

}  // namespace

std::vector<NodeState> NodesIn(const Region& region, const std::vector<NodeState>& nodes) {
  std::vector<NodeState> here;
  std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(here),
               [&](const NodeState& node) { return node.region == region.name; });
  return here;
}

bool HasConfirmed(const Revocation& revoked, const NodeState& node) {
  return SaysItConfirms(revoked, node) && !IsDuplicated(node);
}

bool SaysItConfirms(const Revocation& revoked, const NodeState& node) {
  return IsSealed(node) && node.revision >= revoked.revision;
}

bool IsSealed(const NodeState& node) {
  return node.custody == "sealed" && node.custody_reason == "revoked";
}

namespace {

// Which versions of which key have wrapped a KEK here: no node forgets for the others.
bool NoteVersions(Region& region, const std::vector<NodeState>& nodes) {
  bool changed = false;
  for (const NodeState& node : nodes) {
    if (node.key_version.empty()) continue;
    for (RegionKey& key : region.keys) {
      if (api::CanonicalUri(key.spec) != node.key_uri) continue;
      if (std::find(key.versions.begin(), key.versions.end(), node.key_version) ==
          key.versions.end()) {
        key.versions.push_back(node.key_version);
        changed = true;
      }
      break;
    }
  }
  return changed;
}

// True when all nodes are under the escrow key, or say why they cannot be.
bool ConfirmLeaving(Region& region, const std::vector<NodeState>& nodes, WallTime now) {
  const std::string escrow = api::CanonicalUri(*region.leaves_for);
  const auto has_left = [&](const NodeState& node) { return node.key_uri == escrow; };
  RegionKey& key = region.keys.front();
  if (std::all_of(nodes.begin(), nodes.end(), has_left)) {
    for (RegionKey& one : region.keys) {
      one.status = CmekStatus::kDisabled;
      one.user_message.clear();
      one.updated_at = now;
    }
    region.left_keys.insert(region.left_keys.begin(), region.keys.begin(), region.keys.end());
    region.keys.clear();
    region.rewraps = 0;
    region.leaves_for.reset();
    return true;
  }
  const auto failed = std::find_if(nodes.begin(), nodes.end(), [&](const NodeState& node) {
    return !node.problem.empty() && !has_left(node);
  });
  if (failed == nodes.end() || key.user_message == failed->problem) return false;
  key.status = CmekStatus::kDisableFailed;
  key.user_message = failed->problem;
  key.updated_at = now;
  return true;
}

// Takes in what they say of the key that is wanted.
bool Confirm(Region& region, const std::vector<NodeState>& nodes, WallTime now) {
  if (region.keys.empty() || nodes.size() < region.node_count) return false;
  if (region.leaves_for.has_value()) return ConfirmLeaving(region, nodes, now);
  RegionKey& key = region.keys.front();
  if (key.status != CmekStatus::kEnabling && key.status != CmekStatus::kEnableFailed) return false;
  const auto failed = std::find_if(nodes.begin(), nodes.end(),
                                   [](const NodeState& node) { return !node.problem.empty(); });
  const std::string uri = api::CanonicalUri(key.spec);
  const auto follows = [&](const NodeState& node) {
    return node.key_uri == uri && node.rewraps >= region.rewraps && node.rekeys >= region.rekeys &&
           node.reencrypts >= region.reencrypts && node.key.has_value() &&
           api::SameKey(*node.key, key.spec);
  };
  if (std::all_of(nodes.begin(), nodes.end(), follows)) {
    for (RegionKey& one : region.keys) {
      one.status = &one == &key ? CmekStatus::kEnabled : CmekStatus::kDisabled;
      one.user_message.clear();
      one.updated_at = now;
    }
    return true;
  }
  if (failed == nodes.end() || key.user_message == failed->problem) return false;
  key.status = CmekStatus::kEnableFailed;
  key.user_message = failed->problem;
  key.updated_at = now;
  return true;
}

}  // namespace

bool ConfirmKeys(Region& region, const std::vector<NodeState>& nodes, WallTime now) {
  const bool noted = NoteVersions(region, nodes);
  return Confirm(region, nodes, now) || noted;
}

api::CmekClusterInfo InfoOf(const Cluster& cluster, const std::vector<NodeState>& nodes) {
  api::CmekClusterInfo info;
  for (const Region& region : cluster.regions) {
    const std::vector<NodeState> here = NodesIn(region, nodes);
    api::RegionInfo shown;
    shown.region = region.name;
    shown.status = StatusOf(region);
    // Also one that has left its keys: its nodes are to be sealed like the others.
    if (cluster.revoked.has_value()) shown.status = WhileRevoked(*cluster.revoked, here);
    for (const std::vector<RegionKey>* keys : {&region.keys, &region.left_keys}) {
      for (const RegionKey& key : *keys) {
        shown.key_infos.push_back(
            {key.status, key.user_message, key.created_at, key.updated_at, key.spec, key.versions});
      }
    }
    if (!cluster.revoked.has_value() && shown.status == CmekStatus::kEnabled &&
        std::any_of(here.begin(), here.end(), IsLeavingRevoked)) {
      shown.status = CmekStatus::kEnabling;  // restored, and not yet heard by every node
    }
    if (!shown.key_infos.empty() &&
        (cluster.revoked.has_value() || shown.status == CmekStatus::kEnabling)) {
      shown.key_infos.front().status = shown.status;
    }
    const auto twice = std::find_if(here.begin(), here.end(), IsDuplicated);
    if (cluster.revoked.has_value() && twice != here.end() && !shown.key_infos.empty()) {
      shown.key_infos.front().user_message =
          fmt::format("node {}: {}", twice->node, ProblemOf(*twice));
    }
    shown.custody = CustodyOf(here);
    info.region_infos.push_back(std::move(shown));
  }
  info.status = Together(info.region_infos);
  return info;
}

}  // namespace freehold::control
