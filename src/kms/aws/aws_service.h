// One service of AWS in one region: signs a request, sends it, tries again when that may help.
//
// Knows SigV4 and time-outs, not what any answer means. Threads: safe. Spec: kms/sigv4.h.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "kms/aws/aws_config.h"
#include "kms/key_provider.h"
#include "kms/sigv4.h"
#include "net/http_client.h"

namespace freehold::aws {

void PauseThread(Duration duration);

// What the AWS clients are handed from outside, so that tests need no setenv and no sleeping.
struct Surroundings {
  Environment environment = ProcessEnvironment();
  const Clock* clock = &SystemClock();
  KmsTimeouts timeouts;
  std::function<void(Duration)> pause = PauseThread;  // between two tries
};

struct ServiceEndpoint {
  std::string url;  // https://kms.eu-west-1.amazonaws.com
  SigV4Scope scope;
  std::string ca_bundle;
};

// Where `service` of `region` is to be found, as configured.
ServiceEndpoint EndpointOf(const AwsConfig& config, const std::string& service,
                           const std::string& region);

// One POST. Unsigned when `credentials` is null. `headers` are signed, names in lower case.
HttpResult Post(const ServiceEndpoint& endpoint, HttpHeaders headers, std::string body,
                const AwsCredentials* credentials, const Surroundings& surroundings);

// How long to wait before try `next` (2, 3, ...): longer each time, and never the same for all.
Duration PauseBefore(int next);

// Calls `attempt` until it answers anything but kUnreachable, `timeouts.tries` times at most. A
// denial is an answer: it is never asked for twice here.
template <typename T>
KmsResult<T> WithRetries(const Surroundings& surroundings,
                         const std::function<KmsResult<T>()>& attempt) {
  for (int next = 2;; ++next) {
    KmsResult<T> result = attempt();
    const bool again = !result.has_value() && result.error().kms_class == KmsClass::kUnreachable;
    if (!again || next > surroundings.timeouts.tries) return result;
    surroundings.pause(PauseBefore(next));
  }
}

}  // namespace freehold::aws
