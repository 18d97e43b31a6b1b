// Service accounts and the keys that they sign with.
//
// Threads: safe. Errors: INTERNAL when the library fails.
#pragma once

#include "crypto/rsa.h"
#include "kms/embedded/google/operation.h"

namespace freehold::embedded::google {

std::string EmailOf(const std::string& id, const std::string& project);
std::string NewUniqueNumber();  // 21 digits
std::string NewKeyId();         // 40 hex digits

// The file that GOOGLE_APPLICATION_CREDENTIALS names; it holds a private key.
boost::json::object CredentialsFile(const std::string& email, const std::string& project,
                                    const std::string& key_id, const SecretBytes& private_pem,
                                    const std::string& unique_id, const std::string& token_uri);

// A project with one account that owns it and a key of that account's.
Result<FirstAccount> AddProject(State& state, const MasterKey& master, const std::string& project,
                                const std::string& account);
Result<SecretBytes> UnsealFirstKey(const MasterKey& master, const FirstAccount& account);

}  // namespace freehold::embedded::google
