#include "control/nodes.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "control/audit.h"
#include "control/cmek.h"
#include "control/node_instances.h"
#include "crypto/crypto.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

Error UnknownToken() {
  return Error(ErrorCode::kUnauthenticated,
               "this join token is not known, was used by another host, or is over an hour old");
}

Status Give(Transaction& transaction, Node node, const std::string& cluster) {
  node.cluster = cluster;
  ++node.fencing;
  return transaction.Put(ToRecord(node));
}

// A host whose volume belongs to another cluster can only go back to that one, and one node that
// two hosts are gets none.
Result<bool> IsFree(Transaction& transaction, const Node& node, const Cluster& cluster) {
  const auto record = TRY(transaction.Get(Kind::kNodeState, node.id));
  if (!record.has_value()) return true;
  const auto state = TRY(FromRecord<NodeState>(*record));
  return !IsDuplicated(state) && (state.cluster.empty() || state.cluster == cluster.id);
}

}  // namespace

Error UnknownNode() {
  return Error(ErrorCode::kUnauthenticated,
               "this node is not known, or was removed; join again with a new token");
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

Status Nodes::Remove(const Caller& caller, const std::string& id, const Removal& removal) {
  TRY(caller.Require(Permission::kManageOrganizations, {}));
  return ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    const auto node = TRY(Load<Node>(transaction, Kind::kNode, id, "node"));
    if (!node.cluster.empty() && !removal.lost) {
      return Error(ErrorCode::kPrecondition,
                   "the node belongs to a cluster; say that it is lost if it will never come back");
    }
    const auto said = TRY(transaction.Get(Kind::kNodeState, id));
    if (said.has_value() && IsDuplicated(TRY(FromRecord<NodeState>(*said))) &&
        !removal.duplicated) {
      return Error(ErrorCode::kPrecondition,
                   "two hosts have this node's identity, and without it nobody would know that one "
                   "of them may still hold a key; end the copy, and say that it is duplicated");
    }
    const auto record = TRY(transaction.Get(Kind::kCluster, node.cluster));
    if (record.has_value()) {
      const auto cluster = TRY(FromRecord<Cluster>(*record));
      const auto states = TRY(LoadStates(transaction, cluster.id, clock_.Wall()));
      const auto may_hold = [&](const NodeState& state) {
        return state.node == id && !SaysItConfirms(*cluster.revoked, state);
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
             {{"node_id", id}, {"lost", removal.lost}, {"duplicated", removal.duplicated}}));
    if (!record.has_value()) return {};
    const auto cluster = TRY(FromRecord<Cluster>(*record));
    TRY(TakeFreeNodes(transaction, cluster));
    // Told anew, the others say anew what may now be complete.
    return transaction.Put(ToRecord(cluster));
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
  CrashPoint("join.committed");
  std::string certificate = TRY(SignClientCertificate(authority_, request, node_id, clock_.Wall(),
                                                      settings_.certificate_life));
  return Joined{node_id, std::move(certificate)};
}

Result<Node> Nodes::Authenticate(const std::string& name, std::string_view public_key) {
  if (name.empty() || public_key.empty()) {
    return Error(ErrorCode::kUnauthenticated, "show the certificate that joining gave");
  }
  const std::string key_digest = HexEncode(Sha256(AsBytes(public_key)));
  Node node;
  bool is_next = false;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    const auto record = TRY(transaction.Get(Kind::kNode, name));
    if (!record.has_value() && settings_.recovers) {
      node.id = name;
      node.key_digest = key_digest;
      return {};
    }
    if (!record.has_value()) return UnknownNode();
    node = TRY(FromRecord<Node>(*record));
    is_next = key_digest == node.next_key_digest;
    if (key_digest != node.key_digest && !is_next) return UnknownNode();
    return {};
  }));
  if (!is_next) return node;
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    node = TRY(Load<Node>(transaction, Kind::kNode, name, "node"));
    if (key_digest != node.next_key_digest) return {};
    node.key_digest = std::exchange(node.next_key_digest, "");
    return transaction.Put(ToRecord(node));
  }));
  CrashPoint("renewal.used");
  return node;
}

Result<Joined> Nodes::Renew(const Node& node, ByteView request) {
  const std::string digest = TRY(RequestKeyDigest(request));
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    auto present = TRY(Load<Node>(transaction, Kind::kNode, node.id, "node"));
    present.next_key_digest = digest;
    return transaction.Put(ToRecord(present));
  }));
  CrashPoint("renewal.committed");
  std::string certificate = TRY(SignClientCertificate(authority_, request, node.id, clock_.Wall(),
                                                      settings_.certificate_life));
  return Joined{node.id, std::move(certificate)};
}

}  // namespace freehold::control
