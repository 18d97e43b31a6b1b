#include "cli/kms_helper_command.h"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
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

// One request and its answer; what was asked for.
Result<HelperOperation> ServeOne(Duration patience) {
  const Clock& clock = SystemClock();
  const HelperRequest request =
      TRY(DecodeRequest(TRY(ReceiveFrame(STDIN_FILENO, clock, clock.Boot() + patience))));
  KeyProviders factory;
  const HelperFrame answer = EncodeAnswer(AnswerOf(request, factory));
  TRY(SendFrame(STDIN_FILENO, answer, clock, clock.Boot() + patience));
  return request.operation;
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
    case HelperOperation::kProbe:
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
  auto served = ServeOne(kPatience);
  // Credentials and the customer's trust are asked for anew each time; connections are kept.
  while (served.ok() && *served == HelperOperation::kProbe) {
    pollfd next{STDIN_FILENO, POLLIN | POLLRDHUP, 0};
    while (poll(&next, 1, -1) < 0 && errno == EINTR) {
    }
    if ((next.revents & (POLLRDHUP | POLLHUP)) != 0) return 0;
    served = ServeOne(kPatience);
  }
  return served.ok() ? 0 : Fail(served.error());
}

}  // namespace freehold::cli
