// Nodes: the hosts with agents: how they join, which cluster they belong to, what is wanted of them
// and what they say.
//
// A host joins with a token that counts once, for the first key that asks; from then on it is known
// by the client certificate that our own authority gave it. A node belongs to one cluster or to
// none; each assignment has a higher fencing number than the one before. Nothing here holds a
// customer's key. Errors: kUnauthenticated for a node or a token that is not good, and as in
// clusters.h. Threads: safe. Spec: docs/api/agents.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/model.h"
#include "crypto/certificate.h"

namespace freehold::control {

struct NodeSettings {
  api::KeySpec escrow;  // over clusters without keys of their own; "" = there is none
  // The store was restored from a backup, or lost: it learns what it does not know from what agents
  // of our authority say. Else a node that knows more is told nothing.
  bool recovers = false;
  Duration token_life = std::chrono::hours(1);
  Duration certificate_life = std::chrono::hours(24 * 30);
};

// A node that has said nothing for so long counts as not connected. Agents report every 30 s.
inline constexpr Duration kSilentAfter = std::chrono::seconds(75);
inline bool IsConnected(const NodeState& state, WallTime now) {
  return now - state.reported_at < kSilentAfter;
}

struct NewJoinToken {
  JoinToken token;
  std::string secret;  // shown once
};

struct Joined {
  std::string node;
  std::string certificate_pem;
};

// All that a cluster's nodes last said.
Result<std::vector<NodeState>> LoadStates(Transaction& transaction, const std::string& cluster,
                                          WallTime now);
// Gives the cluster the free nodes that its regions are short of; without enough it waits for more.
Status TakeFreeNodes(Transaction& transaction, const Cluster& cluster);
// Lets all of them go.
Status ReleaseNodes(Transaction& transaction, const Cluster& cluster);

// kUnauthenticated for a node that is not there any more.
Error UnknownNode();

class Nodes {
 public:
  Nodes(Store& store, const Clock& clock, NodeSettings settings, CertificateAndKey authority)
      : store_(store),
        clock_(clock),
        settings_(std::move(settings)),
        authority_(std::move(authority)) {}

  // For the operator. `cluster`: that the node is pinned to, or "".
  Result<NewJoinToken> CreateToken(const Caller& caller, const std::string& region,
                                   const std::string& cluster);
  Result<std::vector<Node>> List(const Caller& caller);
  // It is not let in any more. Refused while it belongs to a cluster, unless it is lost for good;
  // and where two hosts were seen as this node, unless the caller says that it knows. Whether the
  // copy holds a key is not known after that either.
  struct Removal {
    bool lost = false;
    bool duplicated = false;
  };
  Status Remove(const Caller& caller, const std::string& id, const Removal& removal);
  const api::KeySpec& escrow() const { return settings_.escrow; }
  const CertificateAndKey& authority() const { return authority_; }
  const std::string& authority_pem() const { return authority_.certificate_pem; }

  // For agents.
  Result<Joined> Join(const std::string& token, const std::string& secret, ByteView request);
  // Whose certificate says so, of this key (SubjectPublicKeyInfo, DER); the TLS handshake verified
  // it.
  Result<Node> Authenticate(const std::string& name, std::string_view public_key);
  // A certificate for another key; the present one counts until the new one is used.
  Result<Joined> Renew(const Node& node, ByteView request);
  Result<api::DesiredState> Desired(const std::string& node);
  // Of many, with what they share read once; one that is not there any more has none.
  Result<std::map<std::string, api::DesiredState>> Desired(const std::vector<std::string>& nodes);
  // Takes in a report; the answer is what is wanted now.
  Result<api::DesiredState> Report(const Node& node, const api::NodeReport& report);

  struct Changes {
    std::uint64_t revision = 0;
    std::vector<std::string> nodes;  // of which something else may be wanted
  };
  Result<Changes> ChangedSince(std::uint64_t revision);

 private:
  // What one transaction has read already.
  struct Seen {
    std::map<std::string, std::pair<std::optional<Cluster>, std::uint64_t>> clusters;
    bool all_trials = false;
    std::map<std::string, std::vector<TrialRecord>> trials;  // by node
  };
  Result<api::DesiredState> DesiredIn(Transaction& transaction, const std::string& node,
                                      const StoreState& state, Seen& seen);
  Result<std::optional<Record>> LearnNode(Transaction& transaction, const Node& who,
                                          const api::NodeReport& report);
  Status TakeIn(Transaction& transaction, const Record& node_record, const Node& node,
                const api::NodeReport& report, const StoreState& state, bool repeats);
  Status TakeAnswers(Transaction& transaction, const Node& node, const api::NodeReport& report);
  // Writes down, and tells its cluster's contacts, that two hosts speak for the node.
  Status NoteDuplicated(Transaction& transaction, const Node& node, const NodeState& said);

  Store& store_;
  const Clock& clock_;
  const NodeSettings settings_;
  const CertificateAndKey authority_;
};

}  // namespace freehold::control
