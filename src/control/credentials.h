// Service accounts, their roles, and the API keys by which they are known.
//
// A key is "fhk_ID_SECRET": the prefix is for scanners, the secret is shown once and kept as its
// digest. Errors: kUnauthenticated, kForbidden, kNotFound, kAlreadyExists, kInvalidArgument.
// Threads: safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

struct NewApiKey {
  ApiKey key;
  std::string secret;  // the whole text that a client sends
};

// The text of a key from its id and its secret.
std::string ApiKeyText(std::string_view id, std::string_view secret);

class Credentials {
 public:
  Credentials(Store& store, const Clock& clock, Duration restore_wait = kUsualRestoreWait)
      : store_(store), clock_(clock), restore_wait_(restore_wait) {}

  // Where the operator has no API key: one, and the account for it if there is none. `show` is
  // given its secret before it is good: one that was good and that nobody saw would lock the store.
  using Show = std::function<Status(const std::string& secret)>;
  Status Bootstrap(const Show& show);

  // Who sends this key. Says nothing about why a key is not good.
  Result<Caller> Authenticate(std::string_view key);

  // In an organization; "" is the operator's own. Nobody gives what they could not do themselves,
  // but for the operator, who makes an organization's first administrator.
  Result<ServiceAccount> CreateAccount(const Caller& caller, const std::string& organization,
                                       const std::string& name, const std::vector<Grant>& grants);
  Result<std::vector<ServiceAccount>> ListAccounts(const Caller& caller,
                                                   const std::string& organization,
                                                   const Page& page);
  Status DeleteAccount(const Caller& caller, const std::string& id);  // its keys go with it

  Result<NewApiKey> CreateKey(const Caller& caller, const std::string& account,
                              const std::string& name);
  Result<std::vector<ApiKey>> ListKeys(const Caller& caller, const std::string& account);
  Status DeleteKey(const Caller& caller, const std::string& id);

 private:
  Status CheckGrants(Transaction& transaction, const Caller& caller,
                     const std::string& organization, const std::vector<Grant>& grants);

  Store& store_;
  const Clock& clock_;
  const Duration restore_wait_;
};

}  // namespace freehold::control
