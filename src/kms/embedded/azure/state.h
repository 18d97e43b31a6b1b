// State: everything that Azure's dialect remembers: tenants, applications, vaults, keys, roles.
//
// Secrets are sealed under the master key. Threads: values; the store hands out immutable copies.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace freehold::embedded::azure {

// What an application shows to be itself: a secret, or the public half of a certificate's key.
struct Credential {
  Bytes sealed_secret;
  Bytes thumbprint;  // SHA-256 of the certificate
  Bytes modulus;
  Bytes exponent;
  WallTime expires;
};

struct Application {
  std::string id;
  std::string name;
  std::string tenant;  // where it is registered
  std::vector<Credential> credentials;
};

struct Tenant {
  std::string id;
  std::string name;
  std::map<std::string, std::string> principals;  // consented applications -> object ids
};

struct KeyVersion {
  std::string id;    // 32 hex digits
  std::string type;  // "RSA", "RSA-HSM", "oct-HSM"
  Bytes sealed;      // PKCS#8 PEM, or the AES key
  Bytes modulus;     // of RSA keys
  Bytes exponent;
  std::vector<std::string> operations;
  bool enabled = true;
  std::optional<WallTime> expires;
  std::optional<WallTime> not_before;
  WallTime created;
  WallTime updated;
};

struct Key {
  std::string name;
  std::vector<KeyVersion> versions;  // oldest first, at least one
  std::map<std::string, std::string> tags;
  std::string rotation_policy;  // JSON as it was put; "" = the default
  WallTime rotation_updated;
  WallTime deleted;  // of a deleted key

  const KeyVersion& newest() const { return versions.back(); }
};

using Keys = std::map<std::string, Key>;  // by name in lower case

struct Vault {
  std::string host;  // "acme.vault.azure.net"
  std::string tenant;
  bool purge_protection = false;
  bool firewall_denies = false;
  Keys keys;
  Keys deleted_keys;

  bool is_hsm() const { return host.find(".managedhsm.") != std::string::npos; }
};

struct Assignment {
  std::string role;
  std::string application;
  std::string vault;  // host
  std::string key;    // lower case; "" = every key of the vault
  bool operator==(const Assignment&) const = default;
};

struct State {
  std::map<std::string, Tenant> tenants;            // by id
  std::map<std::string, Application> applications;  // by id
  std::map<std::string, Vault> vaults;              // by host
  std::vector<Assignment> assignments;
  Bytes sealed_signing_key;  // of access tokens; empty until the first
};

inline constexpr std::string_view kDefaultVault = "embedded.vault.azure.net";
inline constexpr int kRecoverableDays = 90;

std::string EncodeState(const State& state);
Result<State> DecodeState(std::string_view text);

}  // namespace freehold::embedded::azure
