// Session tokens: role sessions that the KMS need not remember.
//
// A token is the session itself (role, secret, times), sealed under the master key and bound to
// its access key id; so it survives a restart and cannot be made or changed by anybody else.
// Errors: kOurCredentials for a token that is not ours. Threads: safe.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/secret_bytes.h"
#include "kms/embedded/key_store.h"

namespace freehold::embedded {

struct Session {
  std::string account;
  std::string role;
  std::string role_id;  // a role that is deleted and made again is another role
  std::string name;
  SecretBytes secret;  // the session's secret access key
  WallTime issued;
  WallTime expires;
};

Result<std::string> SealSession(const KeyStore& store, const Session& session,
                                std::string_view access_key_id);
Result<Session> OpenSession(const KeyStore& store, std::string_view token,
                            std::string_view access_key_id);

}  // namespace freehold::embedded
