// Commands of this very program, as children: one that is waited for, one that stays.
//
// Both inherit the environment, with what is given set in it, and no descriptors. Errors: kIo for a
// process that does not start; what a command itself says when it fails, with the code that its
// exit code stands for. Threads: safe; a waited-for command ends with the thread that waits. Spec:
// docs/exit-codes.md.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace freehold::agent {

using Variables = std::map<std::string, std::string>;

// Its exit code was 0; otherwise its own last sentence. kTimeout when it had to be killed.
Status RunOwnCommand(const std::vector<std::string>& arguments, const Variables& variables,
                     Duration deadline);

// In a session of its own, so that it outlives us; what it says is appended to the log.
Result<pid_t> StartOwnCommand(const std::vector<std::string>& arguments, const Variables& variables,
                              const std::string& log_path);

}  // namespace freehold::agent
