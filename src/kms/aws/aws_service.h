// One service of AWS in one region: signs a request, sends it, tries again when that may help.
//
// Knows SigV4 and time-outs, not what any answer means. Threads: safe. Spec: kms/sigv4.h.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "kms/aws/aws_config.h"
#include "kms/service/surroundings.h"
#include "kms/sigv4.h"
#include "net/http_client.h"

namespace freehold::aws {

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

}  // namespace freehold::aws
