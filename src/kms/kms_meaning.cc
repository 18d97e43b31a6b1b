#include "kms/kms_meaning.h"

#include <array>

#include "fmt/format.h"

namespace freehold {
namespace {

struct ClassRow {
  KmsClass kms_class;
  std::string_view name;
  ErrorCode code;
  KmsMeaning vaguest;
};

constexpr std::array kClasses = {
    ClassRow{KmsClass::kDenied, "denied", ErrorCode::kKeyDenied, KmsMeaning::kPermissionMissing},
    ClassRow{KmsClass::kAmbiguous, "ambiguous", ErrorCode::kKeyAmbiguous,
             KmsMeaning::kNotUnderstood},
    ClassRow{KmsClass::kUnreachable, "unreachable", ErrorCode::kKeyUnreachable,
             KmsMeaning::kOutage},
    ClassRow{KmsClass::kOurs, "ours", ErrorCode::kOurCredentials, KmsMeaning::kOurConfiguration},
    ClassRow{KmsClass::kData, "data", ErrorCode::kKeyData, KmsMeaning::kWrongCiphertext},
};

const ClassRow& RowOf(KmsClass kms_class) {
  for (const ClassRow& row : kClasses) {
    if (row.kms_class == kms_class) return row;
  }
  return kClasses[1];
}

// In the order of KmsMeaning.
constexpr std::array kMeanings = {
    KmsMeaningInfo{KmsMeaning::kKeyDisabled, "key_disabled", KmsClass::kDenied,
                   "the key is disabled"},
    KmsMeaningInfo{KmsMeaning::kKeyPendingDeletion, "key_pending_deletion", KmsClass::kDenied,
                   "the key is scheduled for deletion"},
    KmsMeaningInfo{KmsMeaning::kKeyMissing, "key_missing", KmsClass::kDenied,
                   "the key does not exist, or is hidden from us"},
    KmsMeaningInfo{KmsMeaning::kMaterialMissing, "key_material_missing", KmsClass::kDenied,
                   "the key's imported material was deleted, or has expired"},
    KmsMeaningInfo{KmsMeaning::kVersionRetired, "key_version_retired", KmsClass::kDenied,
                   "the version of the key that is needed is disabled, destroyed or retired"},
    KmsMeaningInfo{KmsMeaning::kKeyNotValidNow, "key_not_valid_now", KmsClass::kDenied,
                   "the key has expired, or is not valid yet"},
    KmsMeaningInfo{KmsMeaning::kPermissionMissing, "permission_missing", KmsClass::kDenied,
                   "a permission on the key is missing"},
    KmsMeaningInfo{KmsMeaning::kTrustWithdrawn, "trust_withdrawn", KmsClass::kDenied,
                   "the customer's principal does not let us act for it"},
    KmsMeaningInfo{KmsMeaning::kNetworkRefused, "network_refused", KmsClass::kDenied,
                   "the KMS's firewall does not let us in"},
    KmsMeaningInfo{KmsMeaning::kAccountSuspended, "account_suspended", KmsClass::kDenied,
                   "the KMS is switched off for the customer's account"},
    KmsMeaningInfo{KmsMeaning::kKeyChanging, "key_changing", KmsClass::kAmbiguous,
                   "the key is on its way from one state to another"},
    KmsMeaningInfo{KmsMeaning::kKeyStoreFailed, "key_store_failed", KmsClass::kAmbiguous,
                   "the key store behind the KMS does not answer"},
    KmsMeaningInfo{KmsMeaning::kHostMissing, "host_missing", KmsClass::kAmbiguous,
                   "the vault's name has no address: deleted, or a fault of name resolution"},
    KmsMeaningInfo{KmsMeaning::kNotUnderstood, "not_understood", KmsClass::kAmbiguous,
                   "the KMS's answer proves nothing"},
    KmsMeaningInfo{KmsMeaning::kThrottled, "throttled", KmsClass::kUnreachable,
                   "the KMS has had too many requests"},
    KmsMeaningInfo{KmsMeaning::kOutage, "outage", KmsClass::kUnreachable, "the KMS has failed"},
    KmsMeaningInfo{KmsMeaning::kTimedOut, "timed_out", KmsClass::kUnreachable,
                   "the KMS did not answer in time"},
    KmsMeaningInfo{KmsMeaning::kNotConnected, "not_connected", KmsClass::kUnreachable,
                   "there is no connection to the KMS"},
    KmsMeaningInfo{KmsMeaning::kTlsFailed, "tls_failed", KmsClass::kUnreachable,
                   "the KMS's certificate or TLS was not accepted"},
    KmsMeaningInfo{KmsMeaning::kNameNotResolved, "name_not_resolved", KmsClass::kUnreachable,
                   "the KMS's name could not be resolved"},
    KmsMeaningInfo{KmsMeaning::kKmsSealed, "kms_sealed", KmsClass::kUnreachable,
                   "the KMS is sealed or under maintenance"},
    KmsMeaningInfo{KmsMeaning::kOurCredentials, "our_credentials", KmsClass::kOurs,
                   "our own credentials are missing, refused or expired"},
    KmsMeaningInfo{KmsMeaning::kOurClock, "our_clock", KmsClass::kOurs, "our clock is wrong"},
    KmsMeaningInfo{KmsMeaning::kOurConfiguration, "our_configuration", KmsClass::kOurs,
                   "our own configuration is at fault"},
    KmsMeaningInfo{KmsMeaning::kWrongCiphertext, "wrong_ciphertext", KmsClass::kData,
                   "the wrapped key was not made by this key with this context, or is damaged"},
    KmsMeaningInfo{KmsMeaning::kWrongKey, "wrong_key", KmsClass::kData,
                   "the answer, or the wrapped key, is about another key"},
    KmsMeaningInfo{KmsMeaning::kWrongUsage, "wrong_usage", KmsClass::kData,
                   "the key is not one that can encrypt and decrypt"},
    KmsMeaningInfo{KmsMeaning::kBadRequest, "bad_request", KmsClass::kData,
                   "the KMS does not accept the request"},
    KmsMeaningInfo{KmsMeaning::kDamagedAnswer, "damaged_answer", KmsClass::kData,
                   "the answer was damaged on its way"},
};

}  // namespace

std::string_view NameOf(KmsClass kms_class) { return RowOf(kms_class).name; }

ErrorCode CodeOf(KmsClass kms_class) { return RowOf(kms_class).code; }

Result<KmsClass> KmsClassFromName(std::string_view name) {
  for (const ClassRow& row : kClasses) {
    if (row.name == name) return row.kms_class;
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no class of KMS answer", name));
}

std::span<const KmsMeaningInfo> AllKmsMeanings() { return kMeanings; }

const KmsMeaningInfo& InfoOf(KmsMeaning meaning) {
  return kMeanings[static_cast<std::size_t>(meaning)];
}

Result<KmsMeaning> KmsMeaningFromName(std::string_view name) {
  for (const KmsMeaningInfo& info : kMeanings) {
    if (info.name == name) return info.meaning;
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no meaning of a KMS's", name));
}

KmsMeaning VaguestOf(KmsClass kms_class) { return RowOf(kms_class).vaguest; }

}  // namespace freehold
