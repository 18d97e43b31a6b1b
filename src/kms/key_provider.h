// KeyProvider: one customer key at one KMS, and the five classes that every answer falls into.
//
// The interface that every KMS implements: wrap and unwrap 32 bytes (a KEK or a canary) under the
// customer's key (CMEK) with an encryption context, and look at the key. A provider judges its own
// service's answers; nobody above it parses a KMS's words.
// Errors are KmsFailure, never a bare Error: custody must know the class. ToError() flattens.
// Threads: one caller at a time. Spec: docs/providers/, shared classes in the design, section 3.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "kms/key_uri.h"
#include "kms/kms_meaning.h"

namespace freehold {

struct KmsFailure {
  KmsClass kms_class = KmsClass::kAmbiguous;  // that of the meaning
  KmsMeaning meaning = KmsMeaning::kNotUnderstood;
  std::string code;       // the KMS's own code: "DisabledException"; "" if it gave none
  std::string message;    // the KMS's own words, without secrets
  std::string operation;  // ours: "Decrypt", "AssumeRole"
  std::string request_id;
  std::string remedy;  // what would help, where the provider knows: "allow kms:Decrypt to ..."
  // Of a failure on this machine, which waiting for the KMS does not mend: what it really is.
  std::optional<ErrorCode> local_code;

  // "Decrypt: DisabledException: arn:... is disabled."
  std::string Sentence() const;
  Error ToError() const { return Error(local_code.value_or(CodeOf(kms_class)), Sentence()); }
};

// What a KMS answered: its class follows from its meaning. `code` and `message` are the KMS's.
KmsFailure FailureOf(KmsMeaning meaning, std::string_view operation, std::string code,
                     std::string message);

// A failure that we found ourselves, with our own words.
KmsFailure OwnFailure(KmsMeaning meaning, std::string_view operation, std::string message);
KmsFailure OwnFailure(KmsClass kms_class, const std::string& operation, std::string message);

// A failure on this machine, where custody needs a class all the same.
KmsFailure LocalFailure(KmsClass kms_class, const Error& error);

// A value or a KmsFailure.
template <typename T>
using KmsResult = tl::expected<T, KmsFailure>;

// Bound to the ciphertext and shown in the customer's KMS log, so that it must match to unwrap.
using EncryptionContext = std::map<std::string, std::string>;

// Which key, and who we are when we use it.
struct KeyAccess {
  KeyUri uri;
  // The customer's, as whom we act: a role's ARN (AWS), a service account's e-mail address
  // (Google), a tenant's id (Azure), a role of the login (Vault). "" = our own identity.
  std::string principal;
  std::string external_id;  // sent with the assumption; "" = none

  bool operator==(const KeyAccess&) const = default;
};

// kInvalidArgument with one sentence when this principal, or an external id, is not what the KMS
// of the key knows.
Status CheckPrincipal(const KeyAccess& access);

struct WrappedKey {
  Bytes ciphertext;
  std::string key_version;  // as the KMS names what it used; "" where it does not say
  std::string algorithm;    // "SYMMETRIC_DEFAULT"
};

struct KeyFacts {
  std::string state;  // the KMS's word: "Enabled", "Disabled", "PendingDeletion"
  std::string key_version;
  std::optional<bool> rotation_enabled;  // unset: the KMS did not say
  std::string rotation_detail;           // why it did not: its words and what would help
  bool enabled = true;                   // as far as the state says
  // What a customer should know and change: "purge protection is off; az keyvault ..."
  std::vector<std::string> warnings = {};
  // Operations that we may do without and had no permission for: "GetKeyRotationStatus".
  std::vector<std::string> refused = {};
  std::string deletion_at = {};  // RFC 3339, when that is scheduled and the KMS says so
};

class KeyProvider {
 public:
  virtual ~KeyProvider() = default;

  virtual KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                                     const EncryptionContext& context) = 0;
  // The plaintext has exactly kKeySize bytes; anything else is kData.
  virtual KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                        const EncryptionContext& context) = 0;
  // The same, of what custody probes with and no key is made of: it may pass through where an
  // unwrapped KEK must not.
  virtual KmsResult<SecretBytes> UnwrapCanary(const WrappedKey& wrapped,
                                              const EncryptionContext& context) {
    return Unwrap(wrapped, context);
  }
  // What the KMS says of the key. Proves nothing about use: it succeeds on a disabled key.
  virtual KmsResult<KeyFacts> Describe() = 0;
  // Who we are to the KMS, once trust has been asked for: an ARN. "" where a KMS has no such step.
  virtual KmsResult<std::string> Identify() { return std::string(); }
};

// One line of `freehold key check`.
struct KeyCheckItem {
  enum class Outcome { kOk, kWarning, kFailed };
  Outcome outcome = Outcome::kOk;
  std::string what;    // "Decrypt with encryption context"
  std::string detail;  // what is missing and what adds it; the KMS's words
  std::optional<KmsFailure> failure;
};

struct KeyCheckReport {
  std::vector<KeyCheckItem> items;
  std::vector<std::string> refused;   // operations that a permission was missing for
  bool valid() const;                 // nothing failed; warnings are allowed
  const KmsFailure* failure() const;  // of the first item that failed; null when valid
};

// Drives a key through everything a volume needs: trust, wrap, unwrap, the right refusal of a
// wrong context, state, rotation. Never changes anything at the KMS. `context` is for keys whose
// policy demands certain values; empty = one that says "key-check". `region` is where the key will
// be used from, "" = not known: a key that is elsewhere is slower, and fails with that place.
KeyCheckReport CheckKey(KeyProvider& provider, const KeyAccess& access,
                        EncryptionContext context = {}, const std::string& region = "");

// How long and how often a request is tried before it counts as unreachable.
struct KmsTimeouts {
  Duration connect = std::chrono::seconds(2);
  Duration request = std::chrono::seconds(5);  // one try, connect included
  int tries = 2;
};

// Makes providers; handed to whoever must not know which KMS it is.
class KeyProviderFactory {
 public:
  virtual ~KeyProviderFactory() = default;
  virtual std::unique_ptr<KeyProvider> NewProvider(const KeyAccess& access) = 0;
};

}  // namespace freehold
