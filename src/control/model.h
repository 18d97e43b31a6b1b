// What the control plane keeps: the structures behind the store's records.
//
// Owners: organization > project > cluster > node; a service account belongs to an organization (or
// to the operator), an API key to a service account. Times are wall-clock. Threads: values.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/cmek.h"
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
  bool unique_keys = false;  // no two clusters under one key
};

struct Project {
  std::string id;
  std::string organization;
  std::string name;
  WallTime created_at;
  bool cmek_enabled = false;          // each of its clusters has a key for each region
  std::vector<api::RegionSpec> keys;  // for its clusters that bring none; sorted by region
};

// A key of a region, present or past.
struct RegionKey {
  api::KeySpec spec;
  api::CmekStatus status = api::CmekStatus::kEnabling;
  std::string user_message;
  WallTime created_at;
  WallTime updated_at;
};

struct Region {
  std::string name;
  std::uint64_t node_count = 1;
  std::vector<RegionKey> keys;  // the newest first; empty: under the operator's escrow key
  std::uint64_t rewraps = 0;    // how often a rewrap under the same key was asked for
};

enum class ClusterState { kCreating, kRunning, kStopping, kStopped, kStarting, kDeleting };
std::string_view NameOf(ClusterState state);  // "running"

struct Revocation {
  WallTime at;
  std::string by;           // service account
  std::vector<Role> roles;  // by which it was allowed
};

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
};

// What one node last said of its part.
struct NodeState {
  std::string node;  // id
  std::string cluster;
  std::string region;
  bool connected = false;
  std::string
      key_uri;  // canonical; that its KEK is wrapped by; "" = the escrow key, or no volume yet
  std::uint64_t rewraps = 0;   // up to which it has followed
  std::string custody;         // "open", "grace", "sealed", ...
  std::string custody_reason;  // "denied", "revoked", ...
  std::string problem;         // why it could not do what was wanted; "" = nothing
  std::optional<WallTime> since;
  std::optional<WallTime> last_verified_at;
  std::optional<WallTime> lease_expires_at;
};

struct ServiceAccount {
  std::string id;
  std::string organization;  // "" = the operator's
  std::string name;
  WallTime created_at;
  std::vector<Grant> grants;
};

struct ApiKey {
  std::string id;
  std::string service_account;
  std::string name;
  std::string secret_digest;  // hex of SHA-256; the secret itself is shown once and not kept
  WallTime created_at;
};

Record ToRecord(const Organization& organization);
Record ToRecord(const Project& project);
Record ToRecord(const Cluster& cluster);
Record ToRecord(const ServiceAccount& account);
Record ToRecord(const ApiKey& key);

// kNotFound, in the same words whether it is not there or may not be seen.
Error Absent(std::string_view what, const std::string& id);

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

constexpr std::size_t kLongestName = 64;
// kInvalidArgument unless it has 1 to kLongestName characters.
Status CheckName(const std::string& name);

// A page of those that the caller may see: projects and clusters.
template <typename T>
Result<std::vector<T>> LoadSeen(Transaction& transaction, Kind kind, const Caller& caller,
                                Page page);

}  // namespace freehold::control
