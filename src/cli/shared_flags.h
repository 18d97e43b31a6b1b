// Flags that more than one command has. For the files that include CLI11.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/custody_flags.h"
#include "cli/run_command.h"

namespace CLI {
class App;
}

namespace freehold::cli {

void AddCustodyFlags(CLI::App& command, CustodyFlags& flags);
void AddReserveFlag(CLI::App& command, std::optional<std::uint64_t>& reserve);
// Which database runs on a volume, and how.
void AddDatabaseFlags(CLI::App& command, RunOptions& options);

}  // namespace freehold::cli
