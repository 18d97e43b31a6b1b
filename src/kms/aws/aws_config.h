// AwsConfig: what the standard environment variables and shared files say about using AWS.
//
// Profiles, endpoints, certificate bundle, region suffixes; no network, no choice of credentials
// (credentials.h). A file that is not there is an empty file, as in AWS's own SDKs. Secrets from
// the files go into SecretBytes and the file's bytes are wiped.
// Errors: kInvalidArgument with the file's name when a file is there and cannot be read.
// Threads: a value. Spec: AWS SDKs and Tools Reference Guide.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret_bytes.h"
#include "kms/service/surroundings.h"

namespace freehold::aws {

// One [section] of the shared files, the credentials file over the configuration file.
struct Profile {
  std::map<std::string, std::string> settings;  // "kms.endpoint_url" for what is nested
  SecretBytes secret_access_key;
  SecretBytes session_token;

  std::string Get(const std::string& name) const;  // "" = not set
};

class AwsConfig {
 public:
  static Result<AwsConfig> Load(const Environment& environment);

  const std::string& profile_name() const { return profile_name_; }
  bool profile_was_named() const { return profile_was_named_; }
  const Profile* FindProfile(const std::string& name) const;  // null = no such profile

  // Where `service` ("kms", "sts") of a region listens: configured, or AWS's own https URL.
  std::string EndpointUrl(const std::string& service, const std::string& region) const;
  const std::string& ca_bundle() const { return ca_bundle_; }  // "" = the system's

 private:
  std::string ConfiguredEndpoint(const std::string& service) const;
  bool WantsFips() const;  // AWS_USE_FIPS_ENDPOINT, use_fips_endpoint: validated cryptography only

  std::string profile_name_ = "default";
  bool profile_was_named_ = false;
  std::map<std::string, Profile> profiles_;
  std::map<std::string, Profile> services_;
  std::string ca_bundle_;
  Environment environment_;
};

// "amazonaws.com", or what the region's partition has in its place.
std::string_view DnsSuffix(std::string_view region);

}  // namespace freehold::aws
