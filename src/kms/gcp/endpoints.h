// Endpoints: the hosts that we ask, and those that a token may be sent to.
//
//   CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS         https://cloudkms.googleapis.com/
//   CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS   https://iamcredentials.googleapis.com/
//   CLOUDSDK_AUTH_TOKEN_HOST                         one more place where a token may be asked for
//   CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE               a PEM file; else the system's authorities
//
// These are gcloud's own variables. A key's URI never chooses a host. Errors: kOurConfiguration.
// Threads: safe.
#pragma once

#include <string>

#include "kms/service/surroundings.h"

namespace freehold::gcp {

// Without a slash at the end.
KmsResult<std::string> KmsEndpoint(const Surroundings& surroundings);
KmsResult<std::string> IamCredentialsEndpoint(const Surroundings& surroundings);
std::string CaBundle(const Surroundings& surroundings);

// `url` is at a host of Google's, over https, or at one that a variable above names. A credentials
// file that says otherwise is refused: it would send our proof of who we are to a stranger.
Status CheckTokenUrl(const std::string& url, const Surroundings& surroundings);

}  // namespace freehold::gcp
