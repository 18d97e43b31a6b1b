// KmsMeaning: what an answer of any KMS means, as one closed list for all of them.
//
// Every provider translates its service's words into one of these; the class that custody acts on,
// and the words that a customer sees, follow from it and from nothing else. So two services that
// mean the same are never treated differently. docs/providers/answers.md is made from this table
// and the providers' (AnswerRow). Threads: constants.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace freehold {

// What an answer of a KMS proves.
enum class KmsClass {
  kDenied,       // the customer's "no": disabled, deleted, permission or trust gone
  kAmbiguous,    // look again
  kUnreachable,  // outage, throttled, time-out
  kOurs,         // our own token or clock: refresh, then judge
  kData,         // wrong key, wrong context or corrupt blob
};

std::string_view NameOf(KmsClass kms_class);  // "denied", "ambiguous", ...
Result<KmsClass> KmsClassFromName(std::string_view name);
ErrorCode CodeOf(KmsClass kms_class);

enum class KmsMeaning {
  // denied
  kKeyDisabled,
  kKeyPendingDeletion,
  kKeyMissing,
  kMaterialMissing,
  kVersionRetired,
  kKeyNotValidNow,
  kPermissionMissing,
  kTrustWithdrawn,
  kNetworkRefused,
  kAccountSuspended,
  // ambiguous
  kKeyChanging,
  kKeyStoreFailed,
  kHostMissing,
  kNotUnderstood,
  // unreachable
  kThrottled,
  kOutage,
  kTimedOut,
  kNotConnected,
  kTlsFailed,
  kNameNotResolved,
  kKmsSealed,
  // ours
  kOurCredentials,
  kOurClock,
  kOurConfiguration,
  // data
  kWrongCiphertext,
  kWrongKey,
  kWrongUsage,
  kBadRequest,
  kDamagedAnswer,
};

struct KmsMeaningInfo {
  KmsMeaning meaning;
  std::string_view name;  // "key_disabled": stable, in JSON and logs
  KmsClass kms_class;
  std::string_view sentence;  // for a customer: "the key is disabled"
};

std::span<const KmsMeaningInfo> AllKmsMeanings();
const KmsMeaningInfo& InfoOf(KmsMeaning meaning);
Result<KmsMeaning> KmsMeaningFromName(std::string_view name);
// What a failure means of which no more than the class is known.
KmsMeaning VaguestOf(KmsClass kms_class);

// One row of a provider's table: these words of the service mean that.
struct AnswerRow {
  std::string_view service;  // "Cloud KMS", "STS"
  std::string_view code;     // as the service words it: "403 PERMISSION_DENIED"
  KmsMeaning meaning;
};

}  // namespace freehold
