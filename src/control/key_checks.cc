#include "control/key_checks.h"

#include <algorithm>
#include <boost/json.hpp>

#include "control/audit.h"
#include "control/cmek.h"
#include "control/nodes.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

Result<Cluster> LoadCluster(Transaction& transaction, const Caller& caller, const std::string& id,
                            Permission permission) {
  auto cluster = TRY(Load<Cluster>(transaction, Kind::kCluster, id, "cluster"));
  TRY(Require(caller, permission, PlaceOf(cluster), "cluster", id));
  return cluster;
}

Recheck RecheckOf(const Cluster& cluster, const std::vector<NodeState>& states) {
  Recheck recheck;
  recheck.number = cluster.rechecks;
  for (const NodeState& state : states) {
    const bool done = state.rechecks == cluster.rechecks;
    recheck.nodes.push_back(
        {state.node, state.region, state.connected, done, done ? state.recheck_problem : ""});
  }
  return recheck;
}

// In whichever form it is named; but a version that is asked for by name is not another one.
bool IsKey(const KeyUri& wanted, const std::string& text) {
  const auto uri = KeyUri::Parse(text);
  if (!uri.ok() || !uri->IsSameKeyAs(wanted)) return false;
  if (wanted.type() != KmsType::kAzureKeyVault) return true;
  const std::string &one = wanted.azure().version, &other = uri->azure().version;
  return one.empty() || other.empty() || one == other;
}

void AddUses(const KeyUri& wanted, const Cluster& cluster, const std::vector<NodeState>& states,
             std::vector<KeyUse>& uses) {
  api::CmekClusterInfo info = InfoOf(cluster, states);
  for (std::size_t i = 0; i < info.region_infos.size(); ++i) {
    api::RegionInfo& region = info.region_infos[i];
    const bool has_present = !cluster.regions[i].keys.empty();  // else they are all past
    const auto is_it = [&](const api::KeyInfo& key) { return IsKey(wanted, key.spec.uri); };
    const auto found = std::find_if(region.key_infos.begin(), region.key_infos.end(), is_it);
    if (found == region.key_infos.end()) continue;
    KeyUse use{cluster.id,
               cluster.name,
               region.region,
               region.status,
               has_present && found == region.key_infos.begin(),
               *found,
               std::move(region.custody),
               {}};
    for (const NodeState& state : states) {
      const bool is_wrapped = IsKey(wanted, state.key_uri);
      if (state.region == region.region && is_wrapped) use.nodes.push_back(state.node);
    }
    uses.push_back(std::move(use));
  }
}

}  // namespace

bool Recheck::done() const {
  return std::all_of(nodes.begin(), nodes.end(), [](const NodeRecheck& node) { return node.done; });
}

Result<std::vector<KeyCheck>> KeyChecks::Check(const Caller& caller, const std::string& cluster,
                                               const std::vector<api::RegionSpec>& specs) {
  std::vector<TrialWish> wishes;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    std::string organization = caller.organization;
    std::vector<NodeState> nodes;
    if (cluster.empty()) {
      TRY(caller.Require(Permission::kManageKeys, {organization, "", ""}));
    } else {
      organization =
          TRY(LoadCluster(transaction, caller, cluster, Permission::kManageKeys)).organization;
      nodes = TRY(LoadStates(transaction, cluster, clock_.Wall()));
    }
    TRY(CheckGranted(
        TRY(Load<Organization>(transaction, Kind::kOrganization, organization, "organization")),
        specs));
    // Behind its own: they are asked where it has none.
    for (NodeState& free : TRY(LoadStates(transaction, "", clock_.Wall()))) {
      nodes.push_back(std::move(free));
    }
    wishes = WishesFor(specs, nodes, organization, false);
    return {};
  }));
  const auto answers = TRY(trials_.Answers(wishes));
  std::vector<KeyCheck> checks;
  for (const api::RegionSpec& spec : specs) {
    KeyCheck check{spec, "", false, "no node in this region is ready to try it; try again later"};
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      if (wishes[i].region != spec.region) continue;
      check.node = wishes[i].node;
      check.message = "the node did not answer in time; try again later";
      if (!answers[i].has_value()) continue;
      check.valid = answers[i]->usable;
      check.message = check.valid ? "Valid" : answers[i]->message;
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

Result<Recheck> KeyChecks::Begin(const Caller& caller, const std::string& id) {
  Recheck begun;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    auto cluster = TRY(LoadCluster(transaction, caller, id, Permission::kManageKeys));
    if (cluster.revoked.has_value()) {
      return Error(ErrorCode::kPrecondition,
                   "the cluster's keys are revoked, so its nodes do not use them; restore them");
    }
    if (cluster.state == ClusterState::kStopping || cluster.state == ClusterState::kStopped) {
      return Error(ErrorCode::kPrecondition,
                   "the cluster is stopped, so its nodes do not use its keys; a start tries them");
    }
    const auto states = TRY(LoadStates(transaction, id, clock_.Wall()));
    if (std::none_of(states.begin(), states.end(),
                     [](const NodeState& state) { return state.connected; })) {
      return Error(ErrorCode::kNotReady,
                   fmt::format("no node of cluster '{}' is ready; try again later", cluster.name));
    }
    ++cluster.rechecks;
    TRY(transaction.Put(ToRecord(cluster)));
    begun = RecheckOf(cluster, states);
    return Note(transaction, clock_, caller, {"RECHECK_CMEK", PlaceOf(cluster), cluster.name}, {});
  }));
  return begun;
}

Result<Recheck> KeyChecks::Look(const Caller& caller, const std::string& id) {
  Recheck recheck;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const auto cluster = TRY(LoadCluster(transaction, caller, id, Permission::kRead));
    recheck = RecheckOf(cluster, TRY(LoadStates(transaction, id, clock_.Wall())));
    return {};
  }));
  return recheck;
}

Result<KeyChecks::Uses> KeyChecks::UsesOf(const Caller& caller, const std::string& uri,
                                          const Page& page) {
  const KeyUri wanted = TRY(KeyUri::Parse(uri));
  Uses found;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    found = {};
    const auto clusters = TRY(LoadSeen<Cluster>(transaction, Kind::kCluster, caller, page));
    for (const Cluster& cluster : clusters) {
      const auto is_it = [&](const RegionKey& key) { return IsKey(wanted, key.spec.uri); };
      const auto has_it = [&](const Region& region) {
        return std::any_of(region.keys.begin(), region.keys.end(), is_it) ||
               std::any_of(region.left_keys.begin(), region.left_keys.end(), is_it);
      };
      if (std::none_of(cluster.regions.begin(), cluster.regions.end(), has_it)) continue;
      AddUses(wanted, cluster, TRY(LoadStates(transaction, cluster.id, clock_.Wall())), found.uses);
    }
    if (page.limit != 0 && clusters.size() == page.limit) found.next_page = clusters.back().id;
    return {};
  }));
  return found;
}

}  // namespace freehold::control
