// The CMEK part of the API's contract: key specs, region specs, statuses; as CockroachDB Cloud has
// it.
//
// Enums are closed: clients poll for hours on a value that they do not know. What Freehold adds
// stands beside, in fields of its own (`custody`, `last_verified_at`, `lease_expires_at`).
// Errors: kInvalidArgument with one sentence. Threads: values. Spec: docs/api/cmek.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "base/clock.h"
#include "kms/key_provider.h"

namespace freehold::api {

// Of a key, a region and a cluster alike.
enum class CmekStatus {
  kDisabled,
  kDisabling,
  kDisableFailed,
  kEnabled,
  kEnabling,
  kEnableFailed,
  kRotating,
  kRotateFailed,
  kRevoked,
  kRevoking,
  kRevokeFailed,
};
std::string_view NameOf(CmekStatus status);  // "ENABLE_FAILED"
Result<CmekStatus> CmekStatusFromName(std::string_view name);

// All but REVOKE are Freehold's.
enum class CmekAction { kRevoke, kRestore, kDisenrol, kRekey, kReencrypt };
Result<CmekAction> CmekActionFromName(std::string_view name);

struct KeySpec {
  std::string type;            // a KmsType's name
  std::string uri;             // as the customer gave it
  std::string auth_principal;  // "" = none

  bool operator==(const KeySpec&) const = default;
};

struct RegionSpec {
  std::string region;
  KeySpec key_spec;

  bool operator==(const RegionSpec&) const = default;
};

struct KeyInfo {
  CmekStatus status = CmekStatus::kDisabled;
  std::string user_message;
  WallTime created_at;
  WallTime updated_at;
  KeySpec spec;
  std::vector<std::string> versions;  // of it that ever wrapped a KEK, as the KMS names them
};

// What the region's nodes say of their custody: Freehold's own.
struct RegionCustody {
  std::string state;                // "open", "grace", "sealed", ...; that of the worst node
  std::string reason;               // "denied", ...
  std::string message;              // the KMS's own words
  std::uint64_t old_key_bytes = 0;  // of all nodes, that a key which was left can still read
  std::optional<WallTime> since;
  std::optional<WallTime> last_verified_at;
  std::optional<WallTime> lease_expires_at;
  std::optional<WallTime> next_probe_at;
  std::vector<std::string> nodes;
};

struct RegionInfo {
  std::string region;
  CmekStatus status = CmekStatus::kDisabled;
  std::vector<KeyInfo> key_infos;  // the newest first
  std::optional<RegionCustody> custody;
};

struct CmekClusterInfo {
  CmekStatus status = CmekStatus::kDisabled;
  std::vector<RegionInfo> region_infos;  // sorted by name
};

// The type must be one that there is, and the URI one of that type; so must the principal.
Result<KeyAccess> ToKeyAccess(const KeySpec& spec, const std::string& external_id);

// The key as everybody writes it, whichever form of URI the customer used.
std::string CanonicalUri(const KeySpec& spec);
// The same URI and the same principal: nothing is to be done to get from one to the other. What a
// key is protected by asks NameSameKey (kms/key_uri.h).
bool SameKey(const KeySpec& a, const KeySpec& b);

// Reads "region_specs", or another list of that shape: at least one, no region twice, each with a
// key that exists in the world of URIs.
std::vector<RegionSpec> ReadRegionSpecs(JsonReader& reader, std::string_view name);

boost::json::object ToJson(const KeySpec& spec);
boost::json::object ToJson(const RegionSpec& spec);
boost::json::object ToJson(const KeyInfo& info);
boost::json::object ToJson(const RegionCustody& custody);
boost::json::object ToJson(const CmekClusterInfo& info);
// {"region_specs": [...]}
boost::json::object SpecsPayload(const std::vector<RegionSpec>& specs);

}  // namespace freehold::api
