// `freehold key ...`: looks at a customer's key from this machine, without a volume.
//
// Option structs are filled by main.cc; each Run function returns the process's exit code.
#pragma once

#include <string>
#include <vector>

namespace freehold::cli {

struct KeyCheckOptions {
  std::string uri;
  std::string principal;             // a role's ARN; "" = our own identity
  std::string external_id;           // "" = none
  std::vector<std::string> context;  // NAME=VALUE, where the key's policy demands some
  std::string region;                // where it will be used from; "" = not said
  bool json = false;
};

// Prints "Valid" and what was tried, or what is missing; 0, or the exit code of the failure's
// class.
int RunKeyCheck(const KeyCheckOptions& options);

}  // namespace freehold::cli
