// `freehold kms azure ...`: what Azure's administrators do in Entra and Resource Manager, done to
// the embedded KMS.
//
// One Run function for all of them: a command goes to the serving KMS as JSON, and what comes back
// is printed, one field a line. Threads: main only.
#pragma once

#include <string>

namespace freehold::cli {

struct KmsAzureOptions {
  std::string data;
  std::string command;  // "app", "consent", "assign", "vault-create", ...
  std::string app;
  std::string tenant;
  std::string role;
  std::string scope;  // VAULT or VAULT/KEY
  std::string vault;
  std::string certificate_file;
  std::string expires_in;  // "1h"; "" = two years
  std::string firewall;
  bool purge_protection = false;
  bool managed_hsm = false;
  bool json = false;
};

int RunKmsAzure(const KmsAzureOptions& options);

}  // namespace freehold::cli
