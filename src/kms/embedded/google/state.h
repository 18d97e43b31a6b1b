// State: all that Google's dialect remembers, by full resource name. Secrets are sealed.
//
// Threads: values; a published state is never changed. Stored as JSON (state_json.cc).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace freehold::embedded::google {

enum class VersionState {
  kEnabled,
  kDisabled,
  kDestroyScheduled,
  kDestroyed,
  kPendingImport,
  kImportFailed
};
std::string_view NameOf(VersionState state);  // "ENABLED"

struct Version {
  VersionState state = VersionState::kEnabled;
  WallTime created;
  std::optional<WallTime> destroy;    // when it is due
  std::optional<WallTime> destroyed;  // when it was
  Bytes material;                     // sealed; empty once destroyed
  std::string import_job;             // "" = made here
};

struct CryptoKey {
  WallTime created;
  int primary = 0;  // 0 = none
  std::string protection_level = "SOFTWARE";
  std::int64_t rotation_period = 0;  // seconds; 0 = does not rotate
  std::optional<WallTime> next_rotation;
  std::int64_t destroy_wait = 0;  // seconds
  bool import_only = false;
  std::map<std::string, std::string> labels;
  std::map<int, Version> versions;
};

struct ImportJob {
  WallTime created;
  WallTime expires;
  std::string method;
  std::string protection_level;
  Bytes private_pem;  // sealed
  std::string public_pem;
};

// What verifies an account's signatures.
struct PublicKey {
  Bytes modulus;
  Bytes exponent;
};

struct ServiceAccount {
  std::string project;
  std::string display_name;
  std::string unique_id;
  bool disabled = false;
  std::map<std::string, PublicKey> keys;  // by id
};

// One that was made at the first start, whose credentials file is written again at each.
struct FirstAccount {
  std::string email;
  std::string key_id;
  Bytes private_pem;  // sealed
};

using Policy = std::map<std::string, std::set<std::string>>;  // role -> members

struct State {
  std::set<std::string> projects;
  std::map<std::string, WallTime> key_rings;
  std::map<std::string, CryptoKey> keys;
  std::map<std::string, ImportJob> import_jobs;
  std::map<std::string, ServiceAccount> accounts;  // by e-mail address
  std::map<std::string, Policy> policies;
  std::map<std::string, FirstAccount> first_accounts;  // "customer", "operator"
};

std::string EncodeState(const State& state);
// kFileCorrupt for what EncodeState() did not write.
Result<State> DecodeState(std::string_view text);

}  // namespace freehold::embedded::google
