// What the key management engine remembers: keys, where it may send them, where they are.
//
// Material and credentials are sealed under the master key. Threads: values. Stored as JSON.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace freehold::embedded::vault {

// A key as it is in one KMS.
struct Distribution {
  std::string kms;                    // the engine's name of it: "awskms"
  std::string name;                   // the KMS's name of the key: "hashicorp/k-1700000000"
  std::string protection;             // "hsm", "software"
  std::vector<std::string> versions;  // the KMS's id of each, the first version's first
};

struct ManagedVersion {
  Bytes sealed;  // 32 bytes
  WallTime created;
};

struct ManagedKey {
  std::vector<ManagedVersion> versions;  // the last is current; never empty
  int min_enabled_version = 0;           // 0: all are enabled
  bool deletion_allowed = false;
  std::int64_t last_suffix = 0;  // of its names in KMSs, which are never used again
  std::optional<Distribution> distribution;

  int latest() const { return static_cast<int>(versions.size()); }
};

struct KmsEntry {
  std::string provider;        // "awskms", "gcpckms"
  std::string key_collection;  // a Region, a key ring's name
  Bytes credentials;           // sealed: a JSON object, as its provider wants it
};

boost::json::object Encode(const ManagedKey& key);
boost::json::object Encode(const KmsEntry& entry);
// kFileCorrupt for what Encode() did not write.
Result<ManagedKey> DecodeManagedKey(const boost::json::object& object);
Result<KmsEntry> DecodeKmsEntry(const boost::json::object& object);

}  // namespace freehold::embedded::vault
