// Login: where the control plane is, and by which API key we are known there.
//
// Kept in one file: $FREEHOLD_CONFIG, or freehold/login.json below $XDG_CONFIG_HOME or ~/.config.
// FREEHOLD_SERVER and FREEHOLD_API_KEY stand before what is in it; a key that was kept for one
// server is sent to no other. The key is in no argument, no output and no error. Errors:
// kUnauthenticated without a login, kPermissionDenied for a file that others may read,
// kInvalidArgument for what is no login. Threads: values. Spec: docs/api/cli.md.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold::cli {

struct Login {
  std::string server;   // origin: "https://keys.example.com"
  std::string ca_file;  // PEM, an absolute path; "" = the system's
  SecretBytes api_key;
};

Result<std::string> LoginFile();

// What commands use. `ca_file` stands before the one that is kept; "" = none given.
Result<Login> LoginToUse(const std::string& ca_file);

// Writes the file, with mode 0600.
Status KeepLogin(const Login& login);
// False when there was none.
Result<bool> ForgetLogin();

// "https://host:port" of what a person typed; a path is refused.
Result<std::string> ServerOrigin(const std::string& url);

// From `key_file`, or FREEHOLD_API_KEY, or standard input: a line, not shown where it is typed.
Result<SecretBytes> ReadApiKey(const std::string& key_file);

}  // namespace freehold::cli
