// Which request asks for which operation.
//
// Threads: constants.
#pragma once

#include "kms/embedded/google/operation.h"

namespace freehold::embedded::google {

struct ApiRow {
  std::string_view method;   // "POST"
  std::string_view pattern;  // "projects/*/locations/*/keyRings"
  std::string_view verb;     // "encrypt"; "" = none
  std::string_view name;     // "Encrypt", as the log and faults call it
  Answer (*run)(Operation& op);

  bool is_read_only() const;
  bool is_kms() const;  // else IAM's
};

const ApiRow* FindApi(std::string_view method, const Target& target);

}  // namespace freehold::embedded::google
