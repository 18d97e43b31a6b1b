// JSON Web Tokens signed with RS256: made for a token endpoint, and checked by the embedded KMS.
//
// Errors: kInvalidArgument for what is no token, kKeyData for a signature that does not fit. Looks
// at no claim: who checks knows which matter. Threads: safe. Spec: RFC 7515, RFC 7519.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/result.h"
#include "crypto/rsa.h"

namespace freehold {

struct Jwt {
  boost::json::object header;
  boost::json::object claims;
};

// `header` beside alg and typ: {"kid": "..."}.
Result<std::string> SignJwt(const RsaKey& key, boost::json::object header,
                            const boost::json::object& claims);

// Taken apart; nothing is proven yet.
Result<Jwt> ReadJwtUnverified(std::string_view token);
// alg is RS256 and the signature is this key's.
Status VerifyJwt(std::string_view token, const RsaKey& key);

}  // namespace freehold
