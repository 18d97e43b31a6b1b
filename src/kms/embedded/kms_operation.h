// KmsOperation: what every operation of the KMS protocol gets, and the steps they share.
//
// An operation is a function from a KmsOperation to the answer's JSON. It validates, finds the
// key, authorizes, checks the key's state, in that order, as AWS does.
// Threads: each call in one thread; State is immutable, changes go through the store.
// Spec: AWS KMS API Reference, one section per operation; "Key states of AWS KMS keys".
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "kms/embedded/authorize.h"
#include "kms/embedded/call.h"
#include "kms/embedded/key_store.h"
#include "kms/embedded/params.h"

namespace freehold::embedded {

struct KmsOperation {
  KeyStore& store;
  std::shared_ptr<const State> state;  // as of the start of the call
  Params params;
  Call& call;
};

using KmsAnswer = AwsResult<boost::json::object>;

// Which key a KeyId means: a key id, a key ARN or, with `aliases`, an alias name or ARN. Notes the
// key in the call's event.
enum class Aliases { kRefused, kAllowed };
AwsResult<const Key*> FindKey(const State& state, Call& call, const std::string& key_id,
                              Aliases aliases = Aliases::kRefused);

AwsStatus RequireNotPending(const Key& key);  // KMSInvalidStateException
AwsStatus RequireEnabled(const Key& key);     // that, or DisabledException

// FindKey on the parameter KeyId, then AuthorizeKey.
AwsResult<const Key*> AuthorizedKey(KmsOperation& op, std::string_view action,
                                    Aliases aliases = Aliases::kRefused);

// The same, within an update of the store; `change` gets the key to change.
KmsAnswer ChangeKey(KmsOperation& op, std::string_view action,
                    const std::function<KmsAnswer(State&, Key&)>& change);

// Seconds since 1970, as the JSON protocol has times.
std::int64_t EpochSeconds(WallTime time);

// One page of a list. `first` is the marker's item, to begin after; "" begins at the start.
struct Page {
  std::string after;
  std::size_t limit = 0;
};
AwsResult<Page> ReadPage(const Params& params, std::size_t usual, std::size_t most);

// Puts at most a page of `items` (in order of their string ids) under `name`.
KmsAnswer PageOf(const Page& page, std::string_view name,
                 const std::map<std::string, boost::json::object>& items);

// key_operations.cc
KmsAnswer CreateKey(KmsOperation& op);
KmsAnswer DescribeKey(KmsOperation& op);
KmsAnswer ListKeys(KmsOperation& op);
KmsAnswer EnableKey(KmsOperation& op);
KmsAnswer DisableKey(KmsOperation& op);
KmsAnswer ScheduleKeyDeletion(KmsOperation& op);
KmsAnswer CancelKeyDeletion(KmsOperation& op);
KmsAnswer UpdateKeyDescription(KmsOperation& op);
boost::json::object MetadataOf(const State& state, const Key& key);
std::string DefaultKeyPolicy(const std::string& account);
AwsResult<std::string> ReadDescription(const Params& params);
// multi_region_operations.cc
KmsAnswer ReplicateKey(KmsOperation& op);
KmsAnswer UpdatePrimaryRegion(KmsOperation& op);
// UnsupportedOperationException for a replica: what is meant for the primary key.
AwsStatus RequireNoReplica(const Key& key);
std::vector<const Key*> ReplicasOf(const State& state, const Key& primary);
// A primary key's material and rotation, to its replicas; imported material is imported to each.
void ShareMaterial(State& state, const Key& primary);
boost::json::object MultiRegionConfiguration(const State& state, const Key& key);
// setting_operations.cc
KmsAnswer PutKeyPolicy(KmsOperation& op);
KmsAnswer GetKeyPolicy(KmsOperation& op);
KmsAnswer ListKeyPolicies(KmsOperation& op);
KmsAnswer TagResource(KmsOperation& op);
KmsAnswer UntagResource(KmsOperation& op);
KmsAnswer ListResourceTags(KmsOperation& op);
// alias_operations.cc
KmsAnswer CreateAlias(KmsOperation& op);
KmsAnswer UpdateAlias(KmsOperation& op);
KmsAnswer DeleteAlias(KmsOperation& op);
KmsAnswer ListAliases(KmsOperation& op);
// rotation_operations.cc
KmsAnswer EnableKeyRotation(KmsOperation& op);
KmsAnswer DisableKeyRotation(KmsOperation& op);
KmsAnswer GetKeyRotationStatus(KmsOperation& op);
KmsAnswer ListKeyRotations(KmsOperation& op);
KmsAnswer RotateKeyOnDemand(KmsOperation& op);
// grant_operations.cc
KmsAnswer CreateGrant(KmsOperation& op);
KmsAnswer ListGrants(KmsOperation& op);
KmsAnswer RevokeGrant(KmsOperation& op);
KmsAnswer RetireGrant(KmsOperation& op);
// import_operations.cc
KmsAnswer GetParametersForImport(KmsOperation& op);
KmsAnswer ImportKeyMaterial(KmsOperation& op);
KmsAnswer DeleteImportedKeyMaterial(KmsOperation& op);
void ForgetImported(Key& key);  // its material was deleted, or has expired
// crypto_operations.cc
KmsAnswer Encrypt(KmsOperation& op);
KmsAnswer Decrypt(KmsOperation& op);
KmsAnswer ReEncrypt(KmsOperation& op);
KmsAnswer GenerateDataKey(KmsOperation& op);
KmsAnswer GenerateDataKeyWithoutPlaintext(KmsOperation& op);
KmsAnswer GenerateRandom(KmsOperation& op);
KmsAnswer GetPublicKey(KmsOperation& op);
KmsAnswer GenerateDataKeyPair(KmsOperation& op);

// A fresh material, sealed, current from `now` on.
Result<KeyMaterial> NewMaterial(const KeyStore& store, std::string rotation, WallTime now);
Result<SecretBytes> UnsealMaterial(const KeyStore& store, const KeyMaterial& material);

}  // namespace freehold::embedded
