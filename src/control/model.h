// What the control plane keeps: the structures behind the store's records.
//
// Owners: organization > project > cluster > node; a service account belongs to an organization (or
// to the operator), an API key to a service account, a key trial to a node. Times are wall-clock.
// Threads: values.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/node.h"
#include "control/access.h"
#include "control/store.h"

namespace freehold::control {

struct Organization {
  std::string id;
  std::string name;
  WallTime created_at;
  bool cmek_granted = false;
  // Which KMS types a region's clusters may use; "*" stands for every region that is not named.
  std::map<std::string, std::vector<std::string>> allowed_kms_types;
  bool unique_keys = false;                // no two clusters under one key
  std::map<std::string, WallTime> tested;  // contacts' addresses, of the last minute
  api::CustodyBounds custody_bounds;
};

struct Revocation {
  WallTime at;
  std::string by;              // service account
  std::vector<Role> roles;     // by which it was allowed
  bool of_project = false;     // came with that of the cluster's project
  std::uint64_t revision = 0;  // of the change: what a node has said before it confirms nothing
};

struct Project {
  std::string id;
  std::string organization;
  std::string name;
  WallTime created_at;
  bool cmek_enabled = false;               // each of its clusters has a key for each region
  std::vector<api::RegionSpec> keys;       // for its clusters that bring none; sorted by region
  std::vector<api::RegionSpec> past_keys;  // that it had before: whose clusters follow it too
  std::optional<Revocation> revoked;       // of all its clusters; none is made meanwhile
};

// A key of a region, present or past.
struct RegionKey {
  api::KeySpec spec;
  api::CmekStatus status = api::CmekStatus::kEnabling;
  std::string user_message;
  WallTime created_at;
  WallTime updated_at;
  std::vector<std::string> versions = {};  // that ever wrapped a KEK, as the KMS names them
};

struct Region {
  std::string name;
  std::uint64_t node_count = 1;
  std::vector<RegionKey> keys;  // the newest first; empty: under the operator's escrow key
  std::uint64_t rewraps = 0;    // how often a rewrap under the same key was asked for
  std::optional<api::KeySpec> leaves_for = {};  // the escrow key, while CMEK is being left
  std::vector<RegionKey> left_keys = {};        // of the time before it was
  std::uint64_t rekeys = 0;                     // how often a new KEK was asked for
  std::uint64_t reencrypts = 0;                 // a new KEK and new DEKs
};

enum class ClusterState { kCreating, kRunning, kStopping, kStopped, kStarting, kDeleting };
std::string_view NameOf(ClusterState state);  // "running"

struct Cluster {
  std::string id;
  std::string organization;
  std::string project;
  std::string name;
  WallTime created_at;
  WallTime updated_at;
  ClusterState state = ClusterState::kCreating;
  std::vector<Region> regions;  // sorted by name
  std::optional<Revocation> revoked;
  std::uint64_t rechecks = 0;              // how often its nodes were to probe their keys at once
  std::optional<api::CustodyTerms> terms;  // unset: nobody has set any
  std::uint64_t opens = 0;  // how often a restore was asked for of what the KMS had sealed
  std::uint64_t told = 0;   // PutQuietly's; 0: the record's own revision is what its nodes are told
};

// A host with an agent.
struct Node {
  std::string id;
  std::string region;
  std::string cluster;          // "" = free
  bool pinned = false;          // to that cluster, by its join token
  std::uint64_t fencing = 0;    // of its assignment
  std::string key_digest;       // of the key of the client certificate that it shows
  std::string next_key_digest;  // of one that it was given and has not used yet; "" = none
  WallTime joined_at;
};

// The processes that have reported as one node, node_instances.h.
struct NodeInstances {
  std::string current;                    // "" = none has named itself
  std::vector<std::string> past;          // that another one followed
  std::vector<std::string> late;          // of those: that were heard once since
  std::optional<WallTime> duplicated_at;  // two are there at the same time; it stays
};

// What a node last said of its part.
struct NodeState : api::NodeReport {  // its region is ours to say
  std::string node;                   // id
  WallTime reported_at;
  bool connected = false;  // it said so not long ago; not kept
  NodeInstances instances = {};
};

// Lets one host join, once.
struct JoinToken {
  std::string id;
  std::string region;
  std::string cluster;  // that the node is pinned to; "" = whichever needs one
  std::string secret_digest;
  WallTime expires_at;
  std::string used_by;  // the digest of the key that was certified for it; "" = unused
  std::string node;     // that it became
};

// A key that a node is to try, and what came of it.
struct TrialRecord {
  std::string id;
  std::string node;
  api::KeySpec spec;
  std::string external_id;
  WallTime begun_at;
  std::optional<api::TrialAnswer> answer;
};

struct ServiceAccount {
  std::string id;
  std::string organization;  // "" = the operator's
  std::string name;
  WallTime created_at;
  std::vector<Grant> grants;  // never changed: each is as old as the account
  // When the operator last had a hand in where it comes from, access.h; unset: made by a release
  // that did not say.
  std::optional<WallTime> operator_touched_at = {};
};

struct ApiKey {
  std::string id;
  std::string service_account;
  std::string name;
  std::string secret_digest;  // hex of SHA-256; the secret itself is shown once and not kept
  WallTime created_at;
  std::optional<WallTime> operator_touched_at = {};  // as of an account
};

// Stores it; a revocation that is new gets the revision of this change.
Status PutCluster(Transaction& transaction, Cluster& cluster);
// Stores what was only seen of its nodes, and changes nothing of what is wanted of them: they go on
// under the revision that they were told of, and have nothing to confirm. `record`: as it was.
Status PutQuietly(Transaction& transaction, const Record& record, Cluster cluster);
// Of the newest change that its nodes are to hear of. `cluster`: what is in the record.
std::uint64_t ToldRevision(const Record& record, const Cluster& cluster);

Record ToRecord(const Organization& organization);
Record ToRecord(const Project& project);
Record ToRecord(const Cluster& cluster);  // its nodes are told of this change
Record ToRecord(const Node& node);
// Of the node's cluster, or of none: what it says itself does not make it belong to one.
Record ToRecord(const NodeState& state, const std::string& cluster);
Record ToRecord(const JoinToken& token);
Record ToRecord(const TrialRecord& trial);
Record ToRecord(const ServiceAccount& account);
Record ToRecord(const ApiKey& key);

// kNotFound, in the same words whether it is not there or may not be seen.
Error Absent(std::string_view what, const std::string& id);

// Caller::Require, in those words for who may not see it.
Status Require(const Caller& caller, Permission permission, const Place& place,
               std::string_view what, const std::string& id);

// What is in a record; kIo when that is no such thing.
template <typename T>
Result<T> FromRecord(const Record& record);

// kNotFound with `what` in the sentence when there is none.
template <typename T>
Result<T> Load(Transaction& transaction, Kind kind, const std::string& id, std::string_view what);
template <typename T>
Result<std::vector<T>> LoadAll(Transaction& transaction, Kind kind, const std::string& owner,
                               const Page& page);

Place PlaceOf(const Project& project);
Place PlaceOf(const Cluster& cluster);

// A change by a caller whose API key and account are still there when it is made; else
// kUnauthenticated.
Status ChangeAs(Store& store, const Caller& caller,
                const std::function<Status(Transaction&)>& work);

constexpr std::size_t kLongestRegionName = 40;
// As hosts and regions are named: it appears in URLs, contexts and messages. `what` begins the
// sentence. kInvalidArgument.
Status CheckLabel(std::string_view what, const std::string& text, std::size_t longest);

constexpr std::size_t kLongestName = 64;
// kInvalidArgument unless it has 1 to kLongestName characters.
Status CheckName(const std::string& name);

// A page of those that the caller may see: projects and clusters.
template <typename T>
Result<std::vector<T>> LoadSeen(Transaction& transaction, Kind kind, const Caller& caller,
                                Page page);

}  // namespace freehold::control
