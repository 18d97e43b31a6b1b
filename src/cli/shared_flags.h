// Flags that more than one command has. For the files that include CLI11.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/custody_flags.h"
#include "cli/run_command.h"

namespace CLI {
class App;
}

namespace freehold::cli {

void AddCustodyFlags(CLI::App& command, CustodyFlags& flags);
// Patterns of key URIs, which are made canonical; one that no key can match is refused.
void AddKeyPatterns(CLI::App& command, const char* flag, std::vector<std::string>& patterns,
                    const std::string& help);
void AddReserveFlag(CLI::App& command, std::optional<std::uint64_t>& reserve);
// Which database runs on a volume, and how.
void AddDatabaseFlags(CLI::App& command, RunOptions& options);

}  // namespace freehold::cli
