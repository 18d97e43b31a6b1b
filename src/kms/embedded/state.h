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

struct Key {
  std::string id;  // UUID
  std::string account;
  std::string region;
  std::string description;
  std::string policy;
  KeyState state = KeyState::kEnabled;
  WallTime created;
  std::optional<WallTime> deletion;  // kPendingDeletion: when it goes
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
};

struct Grant {
  std::string id;
  std::string token;
  std::string key_id;
  std::string name;
  std::string grantee;   // ARN of a user, a role or an account
  std::string retiring;  // ARN; "" = nobody but the grantee and whoever the policy allows
  std::vector<std::string> operations;
  Names context_equals;
  Names context_subset;
  WallTime created;
};

struct Alias {
  std::string account;
  std::string region;
  std::string name;  // "alias/..."
  std::string key_id;
  WallTime created;
  WallTime updated;

  std::string Arn() const { return fmt::format("arn:aws:kms:{}:{}:{}", region, account, name); }
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
  std::map<std::string, Key> keys;          // by id
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
