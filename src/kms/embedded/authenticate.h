// Authenticate: whose request is this? SigV4 checked in full against the store's access keys.
//
// Checks signature, scope, clock (five minutes either way), session token and that the host and
// every x-amz- header are signed. Errors: AWS's, as the JSON services say them; xml.h translates
// for STS and IAM. Threads: safe.
#pragma once

#include <string_view>

#include "kms/embedded/aws_failure.h"
#include "kms/embedded/call.h"
#include "kms/embedded/key_store.h"
#include "net/http.h"

namespace freehold::embedded {

// Fills in caller, access key, session and region of a Call; `service` is "kms", "sts" or "iam".
AwsStatus Authenticate(const HttpRequest& request, std::string_view service, const KeyStore& store,
                       Call& call);

}  // namespace freehold::embedded
