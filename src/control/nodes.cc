#include "control/nodes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/bytes.h"
#include "control/audit.h"
#include "control/cmek.h"
#include "control/desired.h"
#include "control/key_trials.h"
#include "control/node_knowledge.h"
#include "control/outbox.h"
#include "crypto/crypto.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

// What a node says of itself is written at most so often when only times have changed.
constexpr Duration kWriteInterval = std::chrono::seconds(20);

// More changes than a backup can be behind: such a number comes from no store of ours.
constexpr std::uint64_t kMostLost = 1'000'000'000;

constexpr std::size_t kLongestWords = 2000;

Error UnknownToken() {
  return Error(ErrorCode::kUnauthenticated,
               "this join token is not known, was used by another host, or is over an hour old");
}

Error UnknownNode() {
  return Error(ErrorCode::kUnauthenticated,
               "this node is not known, or was removed; join again with a new token");
}

// With what was said before, but for the times of probes.
bool SaysTheSame(NodeState a, const NodeState& b) {
  a.reported_at = b.reported_at;
  a.last_verified_at = b.last_verified_at;
  a.lease_expires_at = b.lease_expires_at;
  a.next_probe_at = b.next_probe_at;
  a.connected = b.connected;
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
  return said;
}

Status Give(Transaction& transaction, Node node, const std::string& cluster) {
  node.cluster = cluster;
  ++node.fencing;
  return transaction.Put(ToRecord(node));
}

// A host whose volume belongs to another cluster can only go back to that one.
Result<bool> IsFree(Transaction& transaction, const Node& node, const Cluster& cluster) {
  const auto record = TRY(transaction.Get(Kind::kNodeState, node.id));
  if (!record.has_value()) return true;
  const auto state = TRY(FromRecord<NodeState>(*record));
  return state.cluster.empty() || state.cluster == cluster.id;
}

}  // namespace

Result<std::vector<NodeState>> LoadStates(Transaction& transaction, const std::string& cluster,
                                          WallTime now) {
  auto states = TRY(LoadAll<NodeState>(transaction, Kind::kNodeState, cluster, {}));
  // One that was told to belong here and has said nothing yet may hold a key all the same.
  for (const Node& node : TRY(LoadAll<Node>(transaction, Kind::kNode, cluster, {}))) {
    const auto is_its = [&](const NodeState& state) { return state.node == node.id; };
    if (std::any_of(states.begin(), states.end(), is_its)) continue;
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

Status TakeFreeNodes(Transaction& transaction, const Cluster& cluster) {
  if (cluster.state == ClusterState::kDeleting) return {};
  const auto present = TRY(LoadAll<Node>(transaction, Kind::kNode, cluster.id, {}));
  std::vector<Node> free;
  bool looked = false;
  for (const Region& region : cluster.regions) {
    const auto in_region = [&](const Node& node) { return node.region == region.name; };
    auto missing = static_cast<std::int64_t>(region.node_count) -
                   std::count_if(present.begin(), present.end(), in_region);
    if (missing <= 0) continue;
    if (!looked) free = TRY(LoadAll<Node>(transaction, Kind::kNode, "", {}));
    looked = true;
    for (const Node& node : free) {
      if (missing == 0) break;
      if (!in_region(node) || !TRY(IsFree(transaction, node, cluster))) continue;
      TRY(Give(transaction, node, cluster.id));
      --missing;
    }
  }
  return {};
}

Status ReleaseNodes(Transaction& transaction, const Cluster& cluster) {
  for (Node node : TRY(LoadAll<Node>(transaction, Kind::kNode, cluster.id, {}))) {
    node.pinned = false;
    TRY(Give(transaction, std::move(node), ""));
  }
  return {};
}

Result<NewJoinToken> Nodes::CreateToken(const Caller& caller, const std::string& region,
                                        const std::string& cluster) {
  TRY(caller.Require(Permission::kManageOrganizations, {}));
  TRY(CheckLabel("region", region, kLongestRegionName));
  NewJoinToken made;
  made.secret = HexEncode(RandomBytes(32));
  made.token = {HexEncode(RandomBytes(8)),
                region,
                cluster,
                HexEncode(Sha256(AsBytes(made.secret))),
                WallTime{clock_.Wall().since_epoch + settings_.token_life},
                "",
                ""};
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    if (!cluster.empty()) {
      const auto pinned = TRY(Load<Cluster>(transaction, Kind::kCluster, cluster, "cluster"));
      const auto named = [&](const Region& one) { return one.name == region; };
      if (std::none_of(pinned.regions.begin(), pinned.regions.end(), named)) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("the cluster has no region '{}'", region));
      }
    }
    TRY(transaction.Put(ToRecord(made.token)));
    return Note(transaction, clock_, caller, {"CREATE_JOIN_TOKEN", {"", "", cluster}},
                {{"region", region}, {"token_id", made.token.id}});
  }));
  return made;
}

Result<std::vector<Node>> Nodes::List(const Caller& caller) {
  TRY(caller.Require(Permission::kManageOrganizations, {}));
  std::vector<Node> nodes;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    nodes.clear();
    for (const Record& record : TRY(transaction.ChangedSince(Kind::kNode, 0))) {
      nodes.push_back(TRY(FromRecord<Node>(record)));
    }
    return {};
  }));
  return nodes;
}

Status Nodes::Remove(const Caller& caller, const std::string& id, bool lost) {
  TRY(caller.Require(Permission::kManageOrganizations, {}));
  return ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    const auto node = TRY(Load<Node>(transaction, Kind::kNode, id, "node"));
    if (!node.cluster.empty() && !lost) {
      return Error(ErrorCode::kPrecondition,
                   "the node belongs to a cluster; say that it is lost if it will never come back");
    }
    const auto record = TRY(transaction.Get(Kind::kCluster, node.cluster));
    if (record.has_value()) {
      const auto cluster = TRY(FromRecord<Cluster>(*record));
      const auto states = TRY(LoadStates(transaction, cluster.id, clock_.Wall()));
      const auto may_hold = [&](const NodeState& state) {
        return state.node == id && !IsSealed(state);
      };
      if (cluster.revoked.has_value() && std::any_of(states.begin(), states.end(), may_hold)) {
        return Error(ErrorCode::kPrecondition,
                     "the node has not confirmed that the cluster's keys are revoked, and without "
                     "it nobody would know that it may still hold one");
      }
    }
    TRY(transaction.Remove(Kind::kNode, id));
    TRY(transaction.Remove(Kind::kNodeState, id));
    TRY(Note(transaction, clock_, caller, {"REMOVE_NODE", {"", "", node.cluster}},
             {{"node_id", id}, {"lost", lost}}));
    if (!record.has_value()) return {};
    return TakeFreeNodes(transaction, TRY(FromRecord<Cluster>(*record)));
  });
}

Result<Joined> Nodes::Join(const std::string& token_id, const std::string& secret,
                           ByteView request) {
  const std::string digest = TRY(RequestKeyDigest(request));
  std::string node_id;
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    const auto record = TRY(transaction.Get(Kind::kJoinToken, token_id));
    if (!record.has_value()) return UnknownToken();
    auto token = TRY(FromRecord<JoinToken>(*record));
    const std::string given = HexEncode(Sha256(AsBytes(secret)));
    if (!ConstantTimeEqual(AsBytes(token.secret_digest), AsBytes(given))) return UnknownToken();
    if (clock_.Wall() >= token.expires_at) return UnknownToken();
    if (!token.used_by.empty()) {
      // Once more by the same host: it did not hear our answer.
      if (token.used_by != digest) return UnknownToken();
      node_id = token.node;
      return {};
    }
    const Node node{NewUuid(), token.region, "", !token.cluster.empty(),
                    0,         digest,       "", clock_.Wall()};
    token.used_by = digest;
    token.node = node_id = node.id;
    TRY(transaction.Put(ToRecord(token)));
    if (node.pinned) {
      TRY(Give(transaction, node, token.cluster));
    } else {
      TRY(transaction.Put(ToRecord(node)));
    }
    const Caller host{"", "", "node " + node.id, "", {}};
    TRY(Note(transaction, clock_, host, {"JOIN_NODE", {"", "", token.cluster}},
             {{"node_id", node.id}, {"region", node.region}, {"token_id", token.id}}));
    if (node.pinned) return {};
    for (const Record& waiting : TRY(transaction.ChangedSince(Kind::kCluster, 0))) {
      TRY(TakeFreeNodes(transaction, TRY(FromRecord<Cluster>(waiting))));
    }
    return {};
  }));
  std::string certificate = TRY(SignClientCertificate(authority_, request, node_id, clock_.Wall(),
                                                      settings_.certificate_life));
  return Joined{node_id, std::move(certificate)};
}

Result<Node> Nodes::Authenticate(std::string_view certificate) {
  if (certificate.empty()) {
    return Error(ErrorCode::kUnauthenticated, "show the certificate that joining gave");
  }
  const CertificateOwner owner = TRY(OwnerOf(AsBytes(certificate)));
  Node node;
  bool is_next = false;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const auto record = TRY(transaction.Get(Kind::kNode, owner.name));
    if (!record.has_value() && settings_.recovers) {
      node.id = owner.name;
      node.key_digest = owner.key_digest;
      return {};
    }
    if (!record.has_value()) return UnknownNode();
    node = TRY(FromRecord<Node>(*record));
    is_next = owner.key_digest == node.next_key_digest;
    if (owner.key_digest != node.key_digest && !is_next) return UnknownNode();
    return {};
  }));
  if (!is_next) return node;
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    node = TRY(Load<Node>(transaction, Kind::kNode, owner.name, "node"));
    if (owner.key_digest != node.next_key_digest) return {};
    node.key_digest = std::exchange(node.next_key_digest, "");
    return transaction.Put(ToRecord(node));
  }));
  return node;
}

Result<Joined> Nodes::Renew(const Node& node, ByteView request) {
  const std::string digest = TRY(RequestKeyDigest(request));
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    auto present = TRY(Load<Node>(transaction, Kind::kNode, node.id, "node"));
    present.next_key_digest = digest;
    return transaction.Put(ToRecord(present));
  }));
  std::string certificate = TRY(SignClientCertificate(authority_, request, node.id, clock_.Wall(),
                                                      settings_.certificate_life));
  return Joined{node.id, std::move(certificate)};
}

Result<api::DesiredState> Nodes::DesiredIn(Transaction& transaction, const std::string& id,
                                           const StoreState& state) {
  const auto record = TRY(transaction.Get(Kind::kNode, id));
  if (!record.has_value()) return UnknownNode();
  const auto node = TRY(FromRecord<Node>(*record));
  std::uint64_t revision = record->revision;
  std::optional<Cluster> cluster;
  if (const auto found = TRY(transaction.Get(Kind::kCluster, node.cluster)); found.has_value()) {
    cluster = TRY(FromRecord<Cluster>(*found));
    revision = std::max(revision, found->revision);
  }
  api::DesiredState desired =
      DesiredOf(node, cluster.has_value() ? &*cluster : nullptr, settings_.escrow);
  desired.epoch = state.epoch;
  desired.revision = revision;
  for (const auto& trial : TRY(LoadAll<TrialRecord>(transaction, Kind::kKeyTrial, id, {}))) {
    if (trial.answer.has_value() || IsForgotten(trial, clock_.Wall())) continue;
    desired.trials.push_back({trial.id, trial.spec, trial.external_id});
  }
  return desired;
}

Result<api::DesiredState> Nodes::Desired(const std::string& node) {
  const StoreState state = TRY(store_.State());
  api::DesiredState desired;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    desired = TRY(DesiredIn(transaction, node, state));
    return {};
  }));
  return desired;
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
Status Nodes::TakeIn(Transaction& transaction, const Record& node_record, const Node& node,
                     const api::NodeReport& report, const StoreState& state) {
  const auto record = TRY(transaction.Get(Kind::kCluster, node.cluster));
  if (!record.has_value()) return {};
  const WallTime now = clock_.Wall();
  auto cluster = TRY(FromRecord<Cluster>(*record));
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
  return changed ? transaction.Put(ToRecord(cluster)) : Status();
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
    const NodeState said = SaidBy(node, report, now);
    const auto before = TRY(transaction.Get(Kind::kNodeState, node.id));
    bool is_news = !before.has_value() || before->owner != node.cluster;
    if (!is_news) {
      const auto last = TRY(FromRecord<NodeState>(*before));
      is_news = now.since_epoch - last.reported_at.since_epoch > kWriteInterval ||
                !SaysTheSame(said, last);
    }
    if (is_news) {
      TRY(transaction.Put(ToRecord(said, node.cluster)));
      TRY(TakeIn(transaction, *record, node, report, state));
    }
    desired = TRY(DesiredIn(transaction, node.id, state));
    return {};
  }));
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
