// The fleet in numbers: what monitoring asks of the store. Names no customer.
//
// Threads: those of the transaction. Spec: docs/metrics.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"
#include "control/store.h"

namespace freehold::control {

struct Fleet {
  std::map<std::string, std::uint64_t>
      clusters;                                // by CMEK status, "ENABLED"; all of them are there
  std::map<std::string, std::uint64_t> nodes;  // by custody, "open"; "none" = no volume
  std::uint64_t connected = 0;                 // nodes that said something not long ago
  std::uint64_t messages = 0;                  // to contacts, that wait to be sent
  Duration longest_silence{};                  // of a node that did not; 0 = there is none
};

Result<Fleet> CountFleet(Transaction& transaction, WallTime now);

}  // namespace freehold::control
