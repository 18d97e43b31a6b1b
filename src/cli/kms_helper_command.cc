#include "cli/kms_helper_command.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "cli/key_providers.h"
#include "cli/output.h"

namespace freehold::cli {
namespace {

// How long the parent may take to hand over its request; its own deadline bounds the rest.
constexpr Duration kPatience = std::chrono::seconds(10);

// The value into `slot` of the answer, or the failure.
template <typename T>
void Keep(KmsResult<T> result, T& slot, HelperAnswer& answer) {
  if (result.has_value()) {
    slot = std::move(*result);
  } else {
    answer.failure = std::move(result.error());
  }
}

}  // namespace

HelperAnswer AnswerOf(const HelperRequest& request, KeyProviderFactory& factory) {
  const auto provider = factory.NewProvider(request.access);
  HelperAnswer answer;
  switch (request.operation) {
    case HelperOperation::kWrap:
      Keep(provider->Wrap(request.plaintext, request.context), answer.wrapped, answer);
      break;
    case HelperOperation::kUnwrap:
      Keep(provider->Unwrap(request.wrapped, request.context), answer.plaintext, answer);
      break;
    case HelperOperation::kDescribe:
      Keep(provider->Describe(), answer.facts, answer);
      break;
    case HelperOperation::kIdentify:
      Keep(provider->Identify(), answer.identity, answer);
      break;
  }
  return answer;
}

int RunKmsHelper() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read the answer
  // What a library might print must not end up between the frames.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  const Clock& clock = SystemClock();
  auto frame = ReceiveFrame(STDIN_FILENO, clock, clock.Boot() + kPatience);
  if (!frame.ok()) return Fail(frame.error());
  const auto request = DecodeRequest(std::move(*frame));
  if (!request.ok()) return Fail(request.error());
  KeyProviders factory;
  const HelperFrame answer = EncodeAnswer(AnswerOf(*request, factory));
  const auto sent = SendFrame(STDIN_FILENO, answer, clock, clock.Boot() + kPatience);
  return sent.ok() ? 0 : Fail(sent.error());
}

}  // namespace freehold::cli
