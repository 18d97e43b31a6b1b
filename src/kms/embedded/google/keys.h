// Keys and their versions: found by name, made, and shown as Google shows them.
//
// Threads: safe. Errors: NOT_FOUND; INTERNAL when the library fails.
#pragma once

#include "kms/embedded/google/operation.h"

namespace freehold::embedded::google {

// A version's name taken apart: "K/cryptoKeyVersions/3".
struct VersionName {
  std::string key;
  int number = 0;  // 0 = no number
};
VersionName ParseVersionName(const std::string& resource);
std::string FormatVersionName(const std::string& key, int number);

GoogleResult<const CryptoKey*> FindKey(const State& state, const std::string& name);
GoogleResult<const Version*> FindVersion(const State& state, const std::string& resource);
GoogleResult<CryptoKey*> FindKey(State& state, const std::string& name);
GoogleResult<Version*> FindVersion(State& state, const std::string& resource);

// Material of random bytes, sealed; enabled.
GoogleResult<Version> NewVersion(const MasterKey& master, const std::string& key, int number,
                                 WallTime now);
Result<SecretBytes> UnsealMaterial(const MasterKey& master, const std::string& key, int number,
                                   const Version& version);
GoogleResult<Bytes> SealMaterial(const MasterKey& master, const std::string& key, int number,
                                 const SecretBytes& material);

boost::json::object ShowKey(const std::string& name, const CryptoKey& key);
boost::json::object ShowVersion(const std::string& key_name, int number, const CryptoKey& key);
// "... is not enabled, current state is: DISABLED."
GoogleFailure NotEnabled(const std::string& version_name, VersionState state);

// A page of a list: everything, as no list here is long.
boost::json::object ShowList(std::string_view field, boost::json::array items);

}  // namespace freehold::embedded::google
