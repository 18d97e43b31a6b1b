// The custody settings as flags, the same for every command that holds keys.
#pragma once

#include <string>

#include "custody/custody.h"

namespace freehold::cli {

struct CustodyFlags {
  std::string check_interval = "60s";
  std::string confirm_after = "5s";
  std::string request_timeout = "10s";
  std::string outage_grace = "30m";
  std::string seal_delay = "0s";
  std::string stop_timeout = "30s";
  std::string version_interval = "1h";
  std::string on_denied = "seal";
  std::string on_key_return = "auto";
};

Result<CustodySettings> ParseCustodyFlags(const CustodyFlags& flags);

}  // namespace freehold::cli
