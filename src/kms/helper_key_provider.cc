#include "kms/helper_key_provider.h"

#include <thread>

#include "crypto/crypto.h"

namespace freehold {
namespace {

constexpr Duration kInterruptPoll = std::chrono::milliseconds(50);
// A KMS keeps an idle connection for a minute or two: with rarer probes there is none to keep.
constexpr Duration kIdleConnection = std::chrono::seconds(100);
// What a library keeps of its answers does not grow for ever.
constexpr Duration kLongestResidence = std::chrono::hours(1);

std::string_view NameOf(HelperOperation operation) {
  switch (operation) {
    case HelperOperation::kWrap:
      return "Wrap";
    case HelperOperation::kUnwrap:
    case HelperOperation::kProbe:
      return "Unwrap";
    case HelperOperation::kDescribe:
      return "Describe";
    case HelperOperation::kIdentify:
      return "Identify";
  }
  return "";
}

tl::unexpected<KmsFailure> Failed(KmsClass kms_class, const HelperRequest& request,
                                  std::string message) {
  KmsFailure failure;
  failure.kms_class = kms_class;
  failure.operation = NameOf(request.operation);
  failure.message = std::move(message);
  return tl::unexpected(std::move(failure));
}

tl::unexpected<KmsFailure> Failed(const HelperRequest& request, const Error& error) {
  const bool slow = error.code() == ErrorCode::kTimeout;
  return Failed(slow ? KmsClass::kUnreachable : KmsClass::kAmbiguous, request, error.message());
}

// The answer to just this request, or the KMS's failure.
KmsResult<HelperAnswer> Judge(const HelperRequest& request, Result<HelperAnswer> answer) {
  if (!answer.ok()) return Failed(request, answer.error());
  if (answer->failure.has_value()) return tl::unexpected(std::move(*answer->failure));
  const bool unwraps =
      request.operation == HelperOperation::kUnwrap || request.operation == HelperOperation::kProbe;
  if (answer->plaintext.size() != (unwraps ? kKeySize : 0)) {
    return Failed(KmsClass::kAmbiguous, request, "the KMS helper sent a secret of a wrong size");
  }
  if (request.operation == HelperOperation::kWrap && answer->wrapped.ciphertext.empty()) {
    return Failed(KmsClass::kAmbiguous, request, "the KMS helper sent no wrapped key");
  }
  return std::move(*answer);
}

}  // namespace

HelperKeyProvider::HelperKeyProvider(KeyAccess access, HelperOptions options)
    : access_(std::move(access)), options_(std::move(options)) {}

KmsResult<WrappedKey> HelperKeyProvider::Wrap(const SecretBytes& plaintext,
                                              const EncryptionContext& context) {
  auto answer = Ask({HelperOperation::kWrap, access_, context, {}, plaintext.Clone()});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->wrapped);
}

KmsResult<SecretBytes> HelperKeyProvider::Unwrap(const WrappedKey& wrapped,
                                                 const EncryptionContext& context) {
  auto answer = Ask({HelperOperation::kUnwrap, access_, context, wrapped, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->plaintext);
}

KmsResult<SecretBytes> HelperKeyProvider::UnwrapCanary(const WrappedKey& wrapped,
                                                       const EncryptionContext& context) {
  auto answer = Ask({HelperOperation::kProbe, access_, context, wrapped, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->plaintext);
}

KmsResult<KeyFacts> HelperKeyProvider::Describe() {
  auto answer = Ask({HelperOperation::kDescribe, access_, {}, {}, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->facts);
}

KmsResult<std::string> HelperKeyProvider::Identify() {
  auto answer = Ask({HelperOperation::kIdentify, access_, {}, {}, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->identity);
}

KmsResult<HelperAnswer> HelperKeyProvider::Ask(const HelperRequest& request) {
  const bool probes = request.operation == HelperOperation::kProbe;
  if (auto turn = WaitForTurn(probes); !turn) {
    turn.error().operation = NameOf(request.operation);
    return tl::unexpected(std::move(turn.error()));
  }
  // A token that knows a process asks it for no PIN again, and has no connections to keep.
  const bool shared =
      probes && options_.probes_share_a_helper && access_.uri.type() != KmsType::kPkcs11;
  KmsResult<HelperAnswer> answer = Judge(request, shared ? AskResident(request) : AskOnce(request));
  if (!answer && answer.error().meaning == KmsMeaning::kThrottled && options_.pace != nullptr) {
    options_.pace->SlowDown(access_.uri);
  }
  return answer;
}

Result<HelperAnswer> HelperKeyProvider::AskOnce(const HelperRequest& request) {
  const auto helper = TRY(HelperProcess::Start(options_));
  return helper->Ask(request, options_);
}

Result<HelperAnswer> HelperKeyProvider::AskResident(const HelperRequest& request) {
  if (resident_ != nullptr && options_.clock->Boot() - resident_->started() > kLongestResidence) {
    resident_.reset();
  }
  const bool fresh = resident_ == nullptr;
  if (fresh) resident_ = TRY(HelperProcess::Start(options_));
  Result<HelperAnswer> answer = resident_->Ask(request, options_);
  if (answer.ok()) return answer;
  resident_.reset();
  // One that died since its last answer says nothing about the KMS.
  if (fresh || answer.error().code() != ErrorCode::kIo) return answer;
  return AskOnce(request);
}

KmsResult<void> HelperKeyProvider::WaitForTurn(bool probes) {
  if (options_.pace == nullptr) return {};
  auto wait = options_.pace->TakeTurn(
      access_.uri, probes ? RequestPace::Lane::kProbes : RequestPace::Lane::kOthers);
  if (!wait) return tl::unexpected(std::move(wait.error()));
  const BootTime turn = options_.clock->Boot() + *wait;
  // An order interrupts by a flag that nobody can be woken by: it is looked at.
  while (options_.clock->Boot() < turn) {
    if (options_.Interrupted()) {
      return tl::unexpected(
          OwnFailure(KmsClass::kAmbiguous, "", "interrupted while waiting for its turn"));
    }
    std::this_thread::sleep_for(std::min<Duration>(turn - options_.clock->Boot(), kInterruptPoll));
  }
  return {};
}

void HelperKeyProviderFactory::SetPace(Duration request_timeout, Duration check_interval) {
  const std::lock_guard lock(mutex_);
  options_.deadline = request_timeout;
  options_.probes_share_a_helper = check_interval <= kIdleConnection;
}

}  // namespace freehold
