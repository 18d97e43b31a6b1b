// CheckKey of key_provider.h: everything a volume will ask of a key, asked once.
#include <algorithm>

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/key_provider.h"

namespace freehold {
namespace {

using Outcome = KeyCheckItem::Outcome;

constexpr const char* kWrongContextName = "freehold:key-check";

class Checker {
 public:
  Checker(KeyProvider& provider, const KeyAccess& access, EncryptionContext context)
      : provider_(provider), access_(access), context_(std::move(context)) {
    if (context_.empty()) context_ = {{"freehold:purpose", "key-check"}};
  }

  KeyCheckReport Run() {
    if (CheckIdentity()) {
      CheckDescription();
      if (const auto wrapped = CheckWrap()) {
        if (CheckUnwrap(*wrapped)) CheckWrongContext(*wrapped);
      }
    }
    return std::move(report_);
  }

 private:
  void Add(Outcome outcome, std::string what, std::string detail) {
    report_.items.push_back({outcome, std::move(what), std::move(detail), std::nullopt});
  }

  void AddFailure(std::string what, const KmsFailure& failure) {
    std::string detail = failure.Sentence();
    if (!failure.remedy.empty()) detail += "; " + failure.remedy;
    report_.items.push_back({Outcome::kFailed, std::move(what), std::move(detail), failure});
    if (failure.meaning == KmsMeaning::kPermissionMissing) {
      report_.refused.push_back(failure.operation);
    }
  }

  bool CheckIdentity() {
    const std::string what = access_.principal.empty() ? "Identity" : "Trust: assume the role";
    const auto identity = provider_.Identify();
    if (!identity.has_value()) {
      AddFailure(what, identity.error());
      return false;
    }
    Add(Outcome::kOk, what, *identity);
    return true;
  }

  // The state is no verdict: only use is. So an odd state alone is a warning.
  void CheckDescription() {
    const auto facts = provider_.Describe();
    if (!facts.has_value()) return AddFailure("Describe the key", facts.error());
    Add(facts->enabled ? Outcome::kOk : Outcome::kWarning, "Describe the key",
        fmt::format("the key's state is {}", facts->state));
    if (!facts->rotation_enabled.has_value()) {
      Add(Outcome::kWarning, "Rotation", "not known: " + facts->rotation_detail);
    } else if (!*facts->rotation_enabled) {
      Add(Outcome::kWarning, "Rotation", "automatic rotation is off");
    } else {
      Add(Outcome::kOk, "Rotation", "automatic rotation is on");
    }
    for (const std::string& warning : facts->warnings) Add(Outcome::kWarning, "Advice", warning);
    report_.refused = facts->refused;
  }

  std::optional<WrappedKey> CheckWrap() {
    const std::string what = "Encrypt with encryption context";
    auto wrapped = provider_.Wrap(canary_, context_);
    if (!wrapped.has_value()) {
      AddFailure(what, wrapped.error());
      return std::nullopt;
    }
    Add(Outcome::kOk, what, "");
    return std::move(*wrapped);
  }

  bool CheckUnwrap(const WrappedKey& wrapped) {
    const std::string what = "Decrypt with encryption context";
    const auto unwrapped = provider_.Unwrap(wrapped, context_);
    if (!unwrapped.has_value()) {
      AddFailure(what, unwrapped.error());
      return false;
    }
    if (!unwrapped->Equals(canary_)) {
      AddFailure(what, Fault("what came back is not what was encrypted"));
      return false;
    }
    Add(Outcome::kOk, what, "");
    return true;
  }

  // A KMS that ignores the context would let one cluster's key open another's.
  void CheckWrongContext(const WrappedKey& wrapped) {
    const std::string what = "Refuse a wrong encryption context";
    EncryptionContext wrong = context_;
    wrong[kWrongContextName] = "wrong on purpose";
    const auto unwrapped = provider_.Unwrap(wrapped, wrong);
    if (unwrapped.has_value()) {
      return AddFailure(what, Fault("the KMS decrypted although the context was wrong"));
    }
    const KmsClass kms_class = unwrapped.error().kms_class;
    if (kms_class == KmsClass::kData || kms_class == KmsClass::kDenied) {
      return Add(Outcome::kOk, what, "");
    }
    AddFailure(what, unwrapped.error());
  }

  static KmsFailure Fault(std::string message) {
    KmsFailure failure;
    failure.kms_class = KmsClass::kData;
    failure.operation = "Decrypt";
    failure.message = std::move(message);
    return failure;
  }

  KeyProvider& provider_;
  const KeyAccess& access_;
  EncryptionContext context_;
  SecretBytes canary_ = RandomSecret(kKeySize);
  KeyCheckReport report_;
};

}  // namespace

bool KeyCheckReport::valid() const { return failure() == nullptr && !items.empty(); }

const KmsFailure* KeyCheckReport::failure() const {
  const auto failed = std::find_if(items.begin(), items.end(), [](const KeyCheckItem& item) {
    return item.outcome == Outcome::kFailed && item.failure.has_value();
  });
  return failed == items.end() ? nullptr : &*failed->failure;
}

KeyCheckReport CheckKey(KeyProvider& provider, const KeyAccess& access, EncryptionContext context,
                        const std::string& region) {
  KeyCheckReport report = Checker(provider, access, std::move(context)).Run();
  const std::string where = access.uri.Region();
  if (!region.empty() && !where.empty() && where != region) {
    report.items.push_back({Outcome::kWarning, "Region",
                            fmt::format("the key is in {}, and will be used from {}: each probe "
                                        "crosses regions, and fails when either does",
                                        where, region),
                            std::nullopt});
  }
  return report;
}

}  // namespace freehold
