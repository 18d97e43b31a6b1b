// VaultState: everything the Vault dialect remembers, as plain values.
//
// Secrets are sealed under the master key or kept as digests. Paths begin with their namespace
// ("admin/transit/k"). Knows no requests. Threads: values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "kms/embedded/vault/keymgmt_state.h"

namespace freehold::embedded::vault {

struct TransitVersion {
  Bytes sealed;  // 32 bytes
  WallTime created;
};

struct TransitKey {
  std::vector<TransitVersion> versions;  // the last is current; never empty
  int min_decryption_version = 1;
  int min_encryption_version = 0;  // 0: the newest
  bool deletion_allowed = false;
  bool exportable = false;
  bool soft_deleted = false;
  std::int64_t auto_rotate_seconds = 0;

  int latest() const { return static_cast<int>(versions.size()); }
};

struct Token {
  std::string name_space;
  std::string display_name;
  std::string accessor;
  std::vector<std::string> policies;
  WallTime created;
  std::optional<WallTime> expires;  // none: never
  std::int64_t ttl_seconds = 0;
  std::int64_t max_ttl_seconds = 0;  // 0: no end to renewing
  bool renewable = false;
  bool is_batch = false;
};

struct SecretId {
  std::optional<WallTime> expires;
  std::int64_t uses_left = 0;  // 0: any number
};

// How a login turns into a token: common to AppRole and JWT.
struct LoginRole {
  std::vector<std::string> policies;
  std::int64_t ttl_seconds = 1200;
  std::int64_t max_ttl_seconds = 0;
  bool is_batch = false;
  // AppRole
  std::string role_id;
  std::int64_t secret_id_ttl_seconds = 0;
  std::int64_t secret_id_uses = 0;
  std::map<std::string, SecretId> secret_ids;  // by the digest of the secret id
  // JWT
  std::vector<std::string> bound_audiences;
  std::string bound_subject;
};

struct VaultState {
  bool sealed = false;
  std::string unseal_digest;                  // hex SHA-256
  std::map<std::string, std::string> mounts;  // "transit" -> "transit", "auth/approle" -> "approle"
  std::map<std::string, TransitKey> keys;     // "transit/k"
  std::map<std::string, std::string> policies;               // name -> HCL
  std::map<std::string, Token> tokens;                       // by the digest of the token
  std::map<std::string, LoginRole> roles;                    // "auth/approle/r"
  std::map<std::string, std::vector<std::string>> jwt_keys;  // "auth/jwt" -> PEMs
  std::map<std::string, ManagedKey> managed_keys;            // "keymgmt/k"
  std::map<std::string, KmsEntry> kms_entries;               // "keymgmt/awskms"
};

std::string EncodeVaultState(const VaultState& state);
Result<VaultState> DecodeVaultState(std::string_view text);

}  // namespace freehold::embedded::vault
