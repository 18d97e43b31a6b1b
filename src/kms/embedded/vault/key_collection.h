// KeyCollection: where keymgmt sends keys: one Region of AWS's KMS, or one key ring of Google's.
//
// A client of the other dialects, by their own protocols and with the credentials that were given
// for it: what these may not do is refused there, and every step is in the event log. Material goes
// wrapped to a key of the receiver's.
// Errors: 400 with what the receiver said; 502 when it failed or did not answer. Threads: one
// collection, one thread; no store's update may be held.
// Spec: AWS KMS, "Importing key material"; Cloud KMS, "Key import"; Vault documentation, "Key
// Management Secrets Engine".
#pragma once

#include <memory>
#include <string>

#include "kms/embedded/vault/operation.h"

namespace freehold::embedded::vault {

class KeyCollection {
 public:
  virtual ~KeyCollection() = default;

  // The credentials are somebody's.
  virtual VaultStatus Prove() = 0;
  // What a key will be called there, never the same twice: "k-1700000000".
  virtual std::string NameOf(const std::string& key, std::int64_t suffix) const = 0;
  // Before a key's first version. Fails before anything is made wherever that can be known.
  virtual VaultStatus Begin(const Distribution& key) = 0;
  // A version's id. A failure leaves nothing that can be used.
  virtual VaultResult<std::string> Import(const Distribution& key, const SecretBytes& material) = 0;
  // The name now means the last of the key's versions.
  virtual VaultStatus Point(const Distribution& key, bool for_the_first_time) = 0;
  virtual VaultStatus SetEnabled(const std::string& version, bool enabled) = 0;
  // The name and every version, as far as they are still there.
  virtual VaultStatus Remove(const Distribution& key) = 0;
  virtual VaultStatus RemoveVersion(const std::string& version) = 0;
};

// Credentials as the provider wants them, to be sealed, from a request's "credentials": an object,
// "name=value", or a list of those.
VaultResult<boost::json::object> CredentialsIn(const boost::json::object& body,
                                               const std::string& provider);

// 400 for a provider, a collection or a protection that is not offered.
VaultStatus CheckCollection(const std::string& provider, const std::string& key_collection);
VaultStatus CheckProtection(const std::string& provider, const std::string& protection);

// `op` outlives it.
std::unique_ptr<KeyCollection> OpenCollection(const Operation& op, const KmsEntry& entry,
                                              boost::json::object credentials);
std::unique_ptr<KeyCollection> OpenAwsCollection(const Operation& op, const std::string& region,
                                                 boost::json::object credentials);
std::unique_ptr<KeyCollection> OpenGoogleCollection(const Operation& op, const std::string& ring,
                                                    boost::json::object credentials);

// What a receiver's answer means to Vault's client.
VaultFailure RefusedBy(std::string_view receiver, std::string_view operation, int status,
                       std::string_view said);

}  // namespace freehold::embedded::vault
