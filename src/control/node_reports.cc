// What nodes say, what is wanted of them, and what a store learns from them.
#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "control/audit.h"
#include "control/cmek.h"
#include "control/desired.h"
#include "control/key_trials.h"
#include "control/node_instances.h"
#include "control/node_knowledge.h"
#include "control/nodes.h"
#include "control/outbox.h"

namespace freehold::control {
namespace {

// What a node says of itself is written at most so often when only times have changed.
constexpr Duration kWriteInterval = std::chrono::seconds(20);

// More changes than a backup can be behind: such a number comes from no store of ours.
constexpr std::uint64_t kMostLost = 1'000'000'000;

constexpr std::size_t kLongestWords = 2000;

// With what was said before, but for the times of probes.
bool SaysTheSame(NodeState a, const NodeState& b) {
  a.reported_at = b.reported_at;
  a.last_verified_at = b.last_verified_at;
  a.lease_expires_at = b.lease_expires_at;
  a.next_probe_at = b.next_probe_at;
  a.connected = b.connected;
  a.instance = b.instance;  // two that take turns are in `instances`
  return ToRecord(a, "").body == ToRecord(b, "").body;
}

// Of another cluster's volume it says nothing but that; and nobody's words are longer than needed.
NodeState SaidBy(const Node& node, const api::NodeReport& report, WallTime now) {
  NodeState said{report, node.id, now, true};
  if (!report.cluster.empty() && report.cluster != node.cluster) {
    static_cast<api::NodeReport&>(said) = api::NodeReport();
    said.cluster = report.cluster;
    said.problem = report.problem;
  }
  said.region = node.region;
  if (said.terms.has_value() && !api::CheckTerms(*said.terms).ok()) said.terms.reset();
  said.answers.clear();
  for (std::string* text :
       {&said.custody_message, &said.problem, &said.key_uri, &said.cluster, &said.cluster_name,
        &said.organization, &said.key_version, &said.custody, &said.custody_reason, &said.database,
        &said.recheck_problem, &said.failure_class, &said.on_denied}) {
    if (text->size() > kLongestWords) text->resize(kLongestWords);
    *text = Printable(*text);
  }
  said.key_uri = CanonicalKeyUri(said.key_uri);  // an older agent has other spellings
  return said;
}

}  // namespace

Result<std::vector<NodeState>> LoadStates(Transaction& transaction, const std::string& cluster,
                                          WallTime now) {
  auto states = TRY(LoadAll<NodeState>(transaction, Kind::kNodeState, cluster, {}));
  std::set<std::string> speak;
  for (const NodeState& state : states) speak.insert(state.node);
  // One that was told to belong here and has said nothing yet may hold a key all the same.
  for (const Record& record : TRY(transaction.List(Kind::kNode, cluster, {}))) {
    if (speak.contains(record.id)) continue;
    const auto node = TRY(FromRecord<Node>(record));
    NodeState silent;
    silent.node = node.id;
    silent.region = node.region;
    states.push_back(std::move(silent));
  }
  for (NodeState& state : states) {
    state.connected = IsConnected(state, now);
  }
  return states;
}

Result<api::DesiredState> Nodes::DesiredIn(Transaction& transaction, const std::string& id,
                                           const StoreState& state, Seen& seen) {
  const auto record = TRY(transaction.Get(Kind::kNode, id));
  if (!record.has_value()) return UnknownNode();
  const auto node = TRY(FromRecord<Node>(*record));
  const auto [place, is_new] = seen.clusters.try_emplace(node.cluster);
  auto& [cluster, revision] = place->second;
  if (is_new) {
    if (const auto found = TRY(transaction.Get(Kind::kCluster, node.cluster)); found.has_value()) {
      cluster = TRY(FromRecord<Cluster>(*found));
      revision = ToldRevision(*found, *cluster);
    }
  }
  api::DesiredState desired =
      DesiredOf(node, cluster.has_value() ? &*cluster : nullptr, settings_.escrow);
  desired.epoch = state.epoch;
  desired.revision = std::max(record->revision, revision);
  if (!seen.all_trials) {
    seen.trials[id] = TRY(LoadAll<TrialRecord>(transaction, Kind::kKeyTrial, id, {}));
  }
  for (const TrialRecord& trial : seen.trials[id]) {
    if (trial.answer.has_value() || IsForgotten(trial, clock_.Wall())) continue;
    desired.trials.push_back({trial.id, trial.spec, trial.external_id});
  }
  return desired;
}

Result<api::DesiredState> Nodes::Desired(const std::string& node) {
  auto desired = TRY(Desired(std::vector{node}));
  if (desired.empty()) return UnknownNode();
  return std::move(desired.begin()->second);
}

Result<std::map<std::string, api::DesiredState>> Nodes::Desired(
    const std::vector<std::string>& nodes) {
  const StoreState state = TRY(store_.State());
  std::map<std::string, api::DesiredState> all;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    all.clear();
    Seen seen;
    seen.all_trials = nodes.size() > 1;
    if (seen.all_trials) {
      for (const Record& record : TRY(transaction.ChangedSince(Kind::kKeyTrial, 0))) {
        seen.trials[record.owner].push_back(TRY(FromRecord<TrialRecord>(record)));
      }
    }
    for (const std::string& node : nodes) {
      auto desired = DesiredIn(transaction, node, state, seen);
      if (desired.ok()) {
        all.emplace(node, std::move(*desired));
      } else if (desired.error().code() != ErrorCode::kUnauthenticated) {
        return desired.error();
      }
    }
    return {};
  }));
  return all;
}

// The node, its cluster and its organization, as far as they are not there.
Result<std::optional<Record>> Nodes::LearnNode(Transaction& transaction, const Node& who,
                                               const api::NodeReport& report) {
  TRY(CheckLabel("region", report.region, kLongestRegionName));
  for (const std::string* label : {&report.organization, &report.cluster, &report.cluster_name}) {
    if (!report.cluster.empty()) TRY(CheckLabel("a cluster's name or id", *label, kLongestName));
  }
  const WallTime now = clock_.Wall();
  Node node = who;
  node.region = report.region;
  node.joined_at = now;
  if (!report.cluster.empty()) {
    node.cluster = report.cluster;
    node.fencing = report.fencing;
    TRY(LearnCluster(transaction, report, settings_.escrow, now));
  }
  TRY(transaction.Put(ToRecord(node)));
  const Caller host{"", "", "node " + node.id, "", {}};
  TRY(Note(transaction, clock_, host, {"LEARN_NODE", {"", "", node.cluster}},
           {{"node_id", node.id}, {"region", node.region}}));
  return transaction.Get(Kind::kNode, node.id);
}

Status Nodes::TakeAnswers(Transaction& transaction, const Node& node,
                          const api::NodeReport& report) {
  for (const api::TrialAnswer& answer : report.answers) {
    const auto record = TRY(transaction.Get(Kind::kKeyTrial, answer.id));
    if (!record.has_value() || record->owner != node.id) continue;
    auto trial = TRY(FromRecord<TrialRecord>(*record));
    if (trial.answer.has_value()) continue;
    trial.answer = answer;
    TRY(transaction.Put(ToRecord(trial)));
  }
  return {};
}

// What the node knows of its cluster, and what follows for the cluster from what all nodes say.
// Nothing new does from words that were taken in before (`repeats`), unless the cluster has changed
// since: to read all of a region's nodes for each report is what a large region costs most.
Status Nodes::TakeIn(Transaction& transaction, const Record& node_record, const Node& node,
                     const api::NodeReport& report, const StoreState& state, bool repeats) {
  const auto record = TRY(transaction.Get(Kind::kCluster, node.cluster));
  if (!record.has_value()) return {};
  auto cluster = TRY(FromRecord<Cluster>(*record));
  const bool heard = ToldRevision(*record, cluster) <= report.revision;
  if (repeats && report.epoch == state.epoch && heard) return {};
  const Cluster before = cluster;
  const WallTime now = clock_.Wall();
  bool changed = false;
  const std::uint64_t newest = std::max(record->revision, node_record.revision);
  const bool is_other_store = report.epoch != state.epoch;
  const bool knows_more =
      !report.epoch.empty() && report.cluster == cluster.id &&
      (is_other_store || (report.revision > newest && report.revision - newest < kMostLost));
  if (knows_more && !settings_.recovers) {
    return Error(ErrorCode::kPrecondition,
                 "this store is older than what the node was told, or another one; if it was "
                 "restored or lost, start the server with --recover");
  }
  if (knows_more) {
    changed = TRY(TakeOver(cluster, report, node.region, settings_.escrow, now));
    if (!is_other_store) {
      TRY(transaction.RaiseRevision(report.revision));
      changed = true;
    }
    if (changed) {
      const Caller host{"", "", "node " + node.id, "", {}};
      TRY(Note(transaction, clock_, host, {"TAKE_OVER", PlaceOf(cluster), cluster.name},
               {{"revoked", cluster.revoked.has_value()}, {"key", report.key_uri}}));
    }
  }
  const auto states = TRY(LoadStates(transaction, cluster.id, now));
  changed = TakeInReports(cluster, states, now) || changed;
  TRY(TellNews(transaction, cluster, states, now));
  if (!changed) return {};
  const bool is_quiet = !knows_more && WantTheSame(before, cluster, settings_.escrow);
  TRY(is_quiet ? PutQuietly(transaction, *record, cluster) : transaction.Put(ToRecord(cluster)));
  CrashPoint("report.confirming");
  return {};
}

Status Nodes::NoteDuplicated(Transaction& transaction, const Node& node, const NodeState& said) {
  const auto record = TRY(transaction.Get(Kind::kCluster, node.cluster));
  const Caller host{"", "", "node " + node.id, "", {}};
  if (!record.has_value()) {
    return Note(transaction, clock_, host, {"FIND_DUPLICATED_NODE", {}}, {{"node_id", node.id}});
  }
  const auto cluster = TRY(FromRecord<Cluster>(*record));
  TRY(Note(transaction, clock_, host, {"FIND_DUPLICATED_NODE", PlaceOf(cluster), cluster.name},
           {{"node_id", node.id}}));
  return TellDuplicated(transaction, cluster, said, clock_.Wall());
}

Result<api::DesiredState> Nodes::Report(const Node& who, const api::NodeReport& report) {
  const StoreState state = TRY(store_.State());
  const WallTime now = clock_.Wall();
  api::DesiredState desired;
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    auto record = TRY(transaction.Get(Kind::kNode, who.id));
    if (!record.has_value() && settings_.recovers) {
      record = TRY(LearnNode(transaction, who, report));
    }
    if (!record.has_value()) return UnknownNode();
    auto node = TRY(FromRecord<Node>(*record));
    if (report.cluster == node.cluster && report.fencing > node.fencing &&
        report.fencing - node.fencing < kMostLost) {
      node.fencing = report.fencing;  // a host that joined again with the volume that it had
      TRY(transaction.Put(ToRecord(node)));
    }
    TRY(TakeAnswers(transaction, node, report));
    NodeState said = SaidBy(node, report, now);
    const auto before = TRY(transaction.Get(Kind::kNodeState, node.id));
    bool repeats = false;
    bool is_due = true;
    NodeState last;
    if (before.has_value()) last = TRY(FromRecord<NodeState>(*before));
    said.instances = last.instances;
    TakeInstance(said.instances, report.instance, now);
    if (IsDuplicated(said) && !IsDuplicated(last)) TRY(NoteDuplicated(transaction, node, said));
    if (before.has_value() && before->owner == node.cluster) {
      repeats = SaysTheSame(said, last);
      is_due = !repeats || now.since_epoch - last.reported_at.since_epoch > kWriteInterval;
    }
    if (is_due) {
      TRY(transaction.Put(ToRecord(said, node.cluster)));
      TRY(TakeIn(transaction, *record, node, report, state, repeats));
      CrashPoint("report.written");
    }
    Seen seen;
    desired = TRY(DesiredIn(transaction, node.id, state, seen));
    return {};
  }));
  CrashPoint("report.committed");
  return desired;
}

Result<Nodes::Changes> Nodes::ChangedSince(std::uint64_t revision) {
  Changes changes;
  changes.revision = TRY(store_.State()).revision;
  if (changes.revision == revision) return changes;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    std::set<std::string> nodes;
    for (const Record& record : TRY(transaction.ChangedSince(Kind::kNode, revision))) {
      nodes.insert(record.id);
    }
    for (const Record& record : TRY(transaction.ChangedSince(Kind::kKeyTrial, revision))) {
      nodes.insert(record.owner);
    }
    for (const Record& record : TRY(transaction.ChangedSince(Kind::kCluster, revision))) {
      if (ToldRevision(record, TRY(FromRecord<Cluster>(record))) <= revision) continue;
      for (const Record& node : TRY(transaction.List(Kind::kNode, record.id, {}))) {
        nodes.insert(node.id);
      }
    }
    changes.nodes.assign(nodes.begin(), nodes.end());
    return {};
  }));
  return changes;
}

}  // namespace freehold::control
