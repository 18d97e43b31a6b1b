// The key management engine: keys that are made here, sent to other KMSs, and managed there.
//
// A change is made at the KMS first and remembered then, so that a failure leaves what is
// remembered as it was; trying again does what is still to do. Changes come one at a time. Errors:
// VaultFailure. Threads: safe. Spec: Vault API documentation, "Key Management Secrets Engine
// (API)".
#pragma once

#include <memory>
#include <string>

#include "kms/embedded/vault/key_collection.h"

namespace freehold::embedded::vault {

// A named key of one mount, within a request.
struct KeymgmtCall {
  const Operation& op;
  std::string mount;  // "keymgmt", "admin/keymgmt"
  std::string name;   // of the key; "" when it is about none

  std::string key_id() const { return mount + "/" + name; }
  const ManagedKey* FindKey() const;  // null: there is none
  VaultStatus Remember(const ManagedKey& key) const;
};

VaultResult<SecretBytes> MaterialOf(const KeymgmtCall& call, const ManagedVersion& version);
// null: there is no entry of this name.
const KmsEntry* FindKms(const KeymgmtCall& call, const std::string& kms);
VaultResult<std::unique_ptr<KeyCollection>> CollectionOf(const KeymgmtCall& call,
                                                         const std::string& kms);
// {"data": {"keys": [...]}}, or 404 as Vault has it for an empty list.
VaultAnswer NamesAnswer(boost::json::array names);

// Below MOUNT/kms/.
VaultAnswer RunKmsEntries(const KeymgmtCall& call, const std::vector<std::string>& rest);

}  // namespace freehold::embedded::vault
