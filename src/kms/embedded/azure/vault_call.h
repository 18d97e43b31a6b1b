// VaultCall: one request at one vault, authenticated and authorized, and what operations share.
//
// Each operation is a function from a VaultCall to an answer. Threads: one call at a time; the
// store takes care of the rest. Spec: Key Vault REST API 7.4, operations on keys.
#pragma once

#include <boost/json/object.hpp>

#include "kms/embedded/azure/azure_failure.h"
#include "kms/embedded/azure/state.h"
#include "kms/embedded/state_store.h"

namespace freehold::embedded::azure {

struct VaultAnswer {
  boost::json::object body;
  int status = 200;
};
using VaultResult = AzureResult<VaultAnswer>;

struct VaultCall {
  StateStore<State>& store;
  const MasterKey& master;
  std::shared_ptr<const State> state;
  const Vault& vault;        // in `state`
  std::string name;          // of the key, as the request spells it; "" = none
  std::string version;       // "" = the newest
  boost::json::object body;  // empty when there was none
  WallTime now;
  std::string algorithm;  // filled in: for the log

  // The key and the version that the request names.
  AzureResult<const Key*> FindKey() const;
  AzureResult<const KeyVersion*> FindVersion() const;
  // Changes the vault as it is now.
  AzureStatus Change(const std::function<AzureStatus(Vault&)>& change) const;
};

std::string LowerCase(std::string_view text);
WallTime TimeOf(std::int64_t seconds);
std::int64_t SecondsOf(WallTime time);

// A key as its owner sees it: {"key": {...}, "attributes": {...}}.
boost::json::object KeyBundle(const Vault& vault, const Key& key, const KeyVersion& version);
// The same without what only one version has: an item of a list.
boost::json::object KeyItem(const Vault& vault, const Key& key, const KeyVersion& version,
                            bool with_version);
boost::json::object DeletedKeyBundle(const Vault& vault, const Key& key);

// The name of a key that is to be made.
AzureStatus CheckName(const std::string& name);
// A version of new material, with the attributes and operations that a request asks for.
AzureResult<KeyVersion> NewVersion(const VaultCall& call, const std::string& type, int bits);
AzureStatus ReadAttributes(const boost::json::object& body, KeyVersion& version);
AzureResult<Bytes> SealMaterial(const MasterKey& master, const SecretBytes& material,
                                const std::string& version);

VaultResult CreateKey(VaultCall& call);
VaultResult ImportKey(VaultCall& call);
VaultResult GetKey(VaultCall& call);
VaultResult ListKeys(VaultCall& call);
VaultResult ListVersions(VaultCall& call);
VaultResult UpdateKey(VaultCall& call);
VaultResult RotateKey(VaultCall& call);
VaultResult GetRotationPolicy(VaultCall& call);
VaultResult SetRotationPolicy(VaultCall& call);
VaultResult DeleteKey(VaultCall& call);
VaultResult GetDeletedKey(VaultCall& call);
VaultResult ListDeletedKeys(VaultCall& call);
VaultResult RecoverKey(VaultCall& call);
VaultResult PurgeKey(VaultCall& call);
VaultResult WrapKey(VaultCall& call);
VaultResult UnwrapKey(VaultCall& call);
VaultResult Encrypt(VaultCall& call);
VaultResult Decrypt(VaultCall& call);

// A further version like the newest one; of RotateKey and of a policy that is due.
AzureResult<KeyVersion> NextVersion(const MasterKey& master, const Key& key, WallTime now);
// When the policy wants the next version; nothing: never.
std::optional<WallTime> NextRotation(const Key& key);

}  // namespace freehold::embedded::azure
