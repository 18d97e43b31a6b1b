// Call: one authenticated request on its way through an operation, and what the log will say of it.
//
// Operations read who calls, from where and when, and fill in the event's parameters and key.
// Threads: one call, one thread.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kms/embedded/principal.h"

namespace freehold::embedded {

struct Call {
  Principal caller;
  std::string access_key_id;
  bool is_session = false;
  std::string region;
  WallTime now;
  std::string request_id;

  // For the event log: never plaintext, never a secret.
  boost::json::object parameters;
  std::string key_arn;
  std::string key_account;
  std::string key_material_id;
};

}  // namespace freehold::embedded
