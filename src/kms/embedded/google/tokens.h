// Tokens: who calls, and the access tokens that say so.
//
// An access token is "ya29." and its holder, scope and end, sealed under the master key: nothing is
// remembered, so that a token outlives the policy that gave it, as it does at Google. A JWT that a
// service account signed itself is taken too, as official clients send it.
// Errors: UNAUTHENTICATED with ErrorInfo's reason; a token endpoint answers as RFC 6749 says.
// Threads: safe. Spec: RFC 7523; google.aip.dev/auth/4111, 4112.
#pragma once

#include "kms/embedded/google/operation.h"
#include "net/http.h"

namespace freehold::embedded::google {

inline constexpr const char* kPlatformScope = "https://www.googleapis.com/auth/cloud-platform";

struct Caller {
  std::string email;
  std::string scope;  // separated by blanks
};

std::string NewAccessToken(const MasterKey& master, const Caller& caller, WallTime until);
GoogleResult<Caller> Authenticate(const HttpRequest& request, const State& state,
                                  const MasterKey& master, WallTime now);

// A token of these scopes may ask the KMS, or else IAM.
bool AllowsScope(const std::string& scopes, bool is_kms);

// POST /token: a JWT bearer grant.
HttpResponse AnswerGrant(const HttpRequest& request, const State& state, const MasterKey& master,
                         DialectCall& call);

Answer GenerateAccessToken(Operation& op);

}  // namespace freehold::embedded::google
