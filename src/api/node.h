// What server and agents tell each other: the state that a server wants of a node, and the report
// of a node.
//
// Both are whole: who has read the newest needs none of those before it. Fields that are missing
// keep their values and unknown ones are passed over, so that neighbouring releases understand each
// other. Errors: kIo for what is no such document. Threads: values. Spec: docs/api/agents.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cmek.h"
#include "api/custody_terms.h"

namespace freehold::api {

enum class NodeGoal {
  kIdle,     // belongs to no cluster
  kOpen,     // its volume is to be open and its database to run
  kStopped,  // sealed, in order, until something else is wanted
  kRevoked,  // sealed now, and it stays so over any restart
};
inline constexpr int kNodeGoalCount = 4;
std::string_view NameOf(NodeGoal goal);  // "open"

// A key to try from here, before a customer's change relies on it.
struct KeyTrial {
  std::string id;
  KeySpec spec;
  std::string external_id;
  bool operator==(const KeyTrial&) const = default;
};

struct DesiredState {
  std::string epoch;           // of the store that this comes from
  std::uint64_t revision = 0;  // of the newest change that is in it
  std::string node;
  std::string region;
  std::string organization;  // also the external id of its cloud principals
  std::string cluster;       // "" = none
  std::string cluster_name;
  std::uint64_t fencing = 0;  // of this assignment; a node obeys none with a lower one
  NodeGoal goal = NodeGoal::kIdle;
  std::optional<KeySpec> key;    // that the volume's KEK is to be wrapped by
  std::uint64_t rewraps = 0;     // how often it was to be wrapped anew under that
  std::uint64_t rekeys = 0;      // how often there was to be a new KEK
  std::uint64_t reencrypts = 0;  // and new DEKs
  std::uint64_t opens = 0;       // how often what the KMS had sealed was to be opened by hand
  bool customers = false;        // the key is a customer's: nothing may stay under the escrow key
  std::string escrow_uri;        // the operator's own key, canonical
  std::uint64_t rechecks = 0;    // how often the key was to be probed at once
  std::optional<CustodyTerms> custody;  // unset: what the node was started with
  std::vector<KeyTrial> trials;
  bool operator==(const DesiredState&) const = default;
};

struct TrialAnswer {
  std::string id;
  bool usable = false;
  std::string message;  // what is missing; "" when it is usable
};

struct NodeReport {
  std::string epoch;  // and the revision of the newest desired state that was obeyed
  std::uint64_t revision = 0;
  std::string region;        // that it joined for
  std::string organization;  // as the volume remembers its assignment
  std::string cluster;
  std::string cluster_name;
  std::uint64_t fencing = 0;
  std::string key_uri;         // canonical; that its KEK is wrapped by; "" = no volume yet
  std::optional<KeySpec> key;  // the same, as it was ordered
  std::string key_version;     // of it that was used, as the KMS names it
  std::uint64_t rewraps = 0;   // up to which it has followed
  std::uint64_t rekeys = 0;
  std::uint64_t reencrypts = 0;
  std::uint64_t opens = 0;
  std::string custody;          // "open", "grace", "sealed", ...; "" = no volume
  std::string custody_reason;   // "denied", "revoked", ...
  std::string custody_message;  // the KMS's own words
  std::string failure_class;    // of the KMS's last answer that was no success: "denied", ...
  std::string on_denied;        // "seal", "alert"
  std::optional<WallTime> deletion_at;  // of the key, where the KMS says so
  std::string problem;                  // why it could not do what was wanted; "" = nothing
  std::string database;                 // "down", "starting", "ready", "stopping"
  std::uint64_t old_key_bytes = 0;      // that a key which was left can still read, through its KEK
  std::uint64_t rechecks = 0;           // the order to probe that was obeyed last
  std::string recheck_problem;          // what came of it; "" = the key can be used
  std::optional<WallTime> since;        // of the custody
  std::optional<WallTime> last_verified_at;
  std::optional<WallTime> lease_expires_at;
  std::optional<WallTime> seals_at;  // a "no" was confirmed, and a delay is on
  std::optional<WallTime> next_probe_at;
  std::optional<CustodyTerms> terms;  // in force, or for the next start where nothing runs
  bool terms_told = false;            // by a server
  std::vector<TrialAnswer> answers;
  std::string
      instance;  // a name that the agent's process took at its start; "" = a release without
};

std::string Encode(const DesiredState& state);
std::string Encode(const NodeReport& report);
Result<DesiredState> DecodeDesiredState(std::string_view text);
Result<NodeReport> DecodeNodeReport(std::string_view text);

}  // namespace freehold::api
