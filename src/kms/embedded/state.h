// State: everything the embedded KMS remembers, as plain values.
//
// Secrets in it (key material, secret access keys) are sealed under the master key, so a State can
// be copied, compared and written without care. Knows no files and no operations.
// Threads: values; a published State is never changed (see key_store.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "fmt/format.h"

namespace freehold::embedded {

using Names = std::map<std::string, std::string>;

enum class KeyState { kEnabled, kDisabled, kPendingDeletion, kPendingImport };

struct KeyMaterial {
  std::string id;        // 64 hex digits
  Bytes sealed;          // 32 bytes under the master key
  WallTime created;      // when it became current
  std::string rotation;  // "" for the first, "AUTOMATIC", "ON_DEMAND"
};

// What GetParametersForImport handed out last.
struct KeyImport {
  std::string wrapping;      // "RSAES_OAEP_SHA_256"
  std::string token_digest;  // hex SHA-256
  Bytes sealed_key;          // the RSA key's PEM under the master key
  WallTime expires;
};

using RegionAndId = std::pair<std::string, std::string>;

struct Key {
  std::string id;  // UUID, or "mrk-" and 32 hex digits, the same in every Region
  std::string account;
  std::string region;
  std::string description;
  std::string policy;
  KeyState state = KeyState::kEnabled;
  WallTime created;
  std::string primary_region;        // of a multi-Region key; "" = it is none
  std::optional<WallTime> deletion;  // kPendingDeletion: when it goes; none = replicas go first
  int pending_days = 0;              // from when the last replica is gone
  bool rotates = false;
  int rotation_days = 365;
  WallTime next_rotation;
  std::vector<KeyMaterial> materials;  // the last is current; empty only while kPendingImport
  std::string origin = "AWS_KMS";      // or "EXTERNAL": imported
  std::string expected_material;       // its id: only the same material may be imported again
  std::optional<WallTime> valid_to;    // when imported material expires
  std::optional<KeyImport> import;
  Names tags;

  std::string Arn() const { return fmt::format("arn:aws:kms:{}:{}:key/{}", region, account, id); }
  RegionAndId Place() const { return {region, id}; }
  bool is_multi_region() const { return !primary_region.empty(); }
  bool is_replica() const { return is_multi_region() && region != primary_region; }
  bool waits_for_replicas() const { return state == KeyState::kPendingDeletion && !deletion; }
  // What its ciphertexts are bound to: the ARN, without the Region if others decrypt them as well.
  std::string BoundName() const {
    return is_multi_region() ? fmt::format("arn:aws:kms::{}:key/{}", account, id) : Arn();
  }
};

struct Grant {
  std::string id;
  std::string token;
  std::string region;  // of the key
  std::string key_id;
  std::string name;
  std::string grantee;   // ARN of a user, a role or an account
  std::string retiring;  // ARN; "" = nobody but the grantee and whoever the policy allows
  std::vector<std::string> operations;
  Names context_equals;
  Names context_subset;
  WallTime created;

  bool IsOf(const Key& key) const { return key_id == key.id && region == key.region; }
};

struct Alias {
  std::string account;
  std::string region;
  std::string name;  // "alias/..."
  std::string key_id;
  WallTime created;
  WallTime updated;

  std::string Arn() const { return fmt::format("arn:aws:kms:{}:{}:{}", region, account, name); }
  bool IsOf(const Key& key) const { return key_id == key.id && region == key.region; }
};

struct User {
  std::string account;
  std::string name;
  std::string id;  // "AIDA..."
  WallTime created;
  Names policies;  // inline, by name
};

struct Role {
  std::string account;
  std::string name;
  std::string id;  // "AROA..."
  std::string description;
  std::string trust_policy;
  int max_session_seconds = 3600;
  WallTime created;
  Names policies;  // inline, by name
};

struct AccessKey {
  std::string id;  // "AKIA..."
  std::string account;
  std::string user;  // "" for the account itself
  Bytes sealed_secret;
  WallTime created;
};

using AccountAndName = std::pair<std::string, std::string>;

struct State {
  Names accounts;                           // 12 digits -> profile name
  std::map<RegionAndId, Key> keys;          // by Region, id
  std::map<std::string, Alias> aliases;     // by ARN
  std::map<AccountAndName, User> users;     // by account, name
  std::map<AccountAndName, Role> roles;     // by account, name
  std::map<std::string, AccessKey> access;  // by id
  std::map<std::string, Grant> grants;      // by id
  WallTime sessions_valid_from;             // older role sessions have expired
};

// JSON, with times in milliseconds. Decode refuses anything that Encode does not write.
std::string EncodeState(const State& state);
Result<State> DecodeState(std::string_view text);

}  // namespace freehold::embedded
