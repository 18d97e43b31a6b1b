#include "kms/embedded/kms_api.h"

#include <algorithm>
#include <array>

namespace freehold::embedded {
namespace {

constexpr std::array kOperations = {
    KmsOperationRow{"CancelKeyDeletion", CancelKeyDeletion, false},
    KmsOperationRow{"CreateAlias", CreateAlias, false},
    KmsOperationRow{"CreateGrant", CreateGrant, false},
    KmsOperationRow{"CreateKey", CreateKey, false},
    KmsOperationRow{"Decrypt", Decrypt, true},
    KmsOperationRow{"DeleteAlias", DeleteAlias, false},
    KmsOperationRow{"DeleteImportedKeyMaterial", DeleteImportedKeyMaterial, false},
    KmsOperationRow{"DescribeKey", DescribeKey, true},
    KmsOperationRow{"DisableKey", DisableKey, false},
    KmsOperationRow{"DisableKeyRotation", DisableKeyRotation, false},
    KmsOperationRow{"EnableKey", EnableKey, false},
    KmsOperationRow{"EnableKeyRotation", EnableKeyRotation, false},
    KmsOperationRow{"Encrypt", Encrypt, true},
    KmsOperationRow{"GenerateDataKey", GenerateDataKey, true},
    KmsOperationRow{"GenerateDataKeyPair", GenerateDataKeyPair, true},
    KmsOperationRow{"GenerateDataKeyWithoutPlaintext", GenerateDataKeyWithoutPlaintext, true},
    KmsOperationRow{"GenerateRandom", GenerateRandom, true},
    KmsOperationRow{"GetKeyPolicy", GetKeyPolicy, true},
    KmsOperationRow{"GetKeyRotationStatus", GetKeyRotationStatus, true},
    KmsOperationRow{"GetParametersForImport", GetParametersForImport, true},
    KmsOperationRow{"GetPublicKey", GetPublicKey, true},
    KmsOperationRow{"ImportKeyMaterial", ImportKeyMaterial, false},
    KmsOperationRow{"ListAliases", ListAliases, true},
    KmsOperationRow{"ListGrants", ListGrants, true},
    KmsOperationRow{"ListKeyPolicies", ListKeyPolicies, true},
    KmsOperationRow{"ListKeyRotations", ListKeyRotations, true},
    KmsOperationRow{"ListKeys", ListKeys, true},
    KmsOperationRow{"ListResourceTags", ListResourceTags, true},
    KmsOperationRow{"PutKeyPolicy", PutKeyPolicy, false},
    KmsOperationRow{"ReEncrypt", ReEncrypt, true},
    KmsOperationRow{"ReplicateKey", ReplicateKey, false},
    KmsOperationRow{"RetireGrant", RetireGrant, false},
    KmsOperationRow{"RevokeGrant", RevokeGrant, false},
    KmsOperationRow{"RotateKeyOnDemand", RotateKeyOnDemand, false},
    KmsOperationRow{"ScheduleKeyDeletion", ScheduleKeyDeletion, false},
    KmsOperationRow{"TagResource", TagResource, false},
    KmsOperationRow{"UntagResource", UntagResource, false},
    KmsOperationRow{"UpdateAlias", UpdateAlias, false},
    KmsOperationRow{"UpdateKeyDescription", UpdateKeyDescription, false},
    KmsOperationRow{"UpdatePrimaryRegion", UpdatePrimaryRegion, false},
};

constexpr std::array kNotOffered = {"ConnectCustomKeyStore",
                                    "CreateCustomKeyStore",
                                    "DeleteCustomKeyStore",
                                    "DeriveSharedSecret",
                                    "DescribeCustomKeyStores",
                                    "DisconnectCustomKeyStore",
                                    "GenerateDataKeyPairWithoutPlaintext",
                                    "GenerateMac",
                                    "ListRetirableGrants",
                                    "Sign",
                                    "UpdateCustomKeyStore",
                                    "Verify",
                                    "VerifyMac"};

// An allow-list: whatever is not here (Plaintext, CiphertextBlob) never reaches the log.
constexpr std::array kLogged = {"KeyId",
                                "EncryptionContext",
                                "EncryptionAlgorithm",
                                "KeySpec",
                                "NumberOfBytes",
                                "SourceKeyId",
                                "Origin",
                                "SourceEncryptionContext",
                                "DestinationKeyId",
                                "AliasName",
                                "TargetKeyId",
                                "DestinationEncryptionContext",
                                "Description",
                                "PendingWindowInDays",
                                "PolicyName",
                                "Policy",
                                "RotationPeriodInDays",
                                "BypassPolicyLockoutSafetyCheck",
                                "TagKeys",
                                "MultiRegion",
                                "ReplicaRegion",
                                "PrimaryRegion",
                                "DryRun",
                                "KeyUsage"};

}  // namespace

const KmsOperationRow* FindKmsOperation(std::string_view name) {
  const auto row = std::find_if(kOperations.begin(), kOperations.end(),
                                [&](const KmsOperationRow& r) { return r.name == name; });
  return row == kOperations.end() ? nullptr : &*row;
}

AwsFailure NoSuchKmsOperation(std::string_view name) {
  if (std::find(kNotOffered.begin(), kNotOffered.end(), name) != kNotOffered.end()) {
    return {"UnsupportedOperationException", fmt::format("{} is not offered here.", name)};
  }
  return {"UnknownOperationException", "The operation is not known."};
}

boost::json::object LoggedParameters(const boost::json::object& request) {
  boost::json::object logged;
  for (const std::string_view name : kLogged) {
    const boost::json::value* value = request.if_contains(name);
    if (value == nullptr) continue;
    std::string spelled(name);
    spelled[0] = static_cast<char>(spelled[0] | 0x20);
    logged[spelled] = *value;
  }
  return logged;
}

}  // namespace freehold::embedded
