// A program that a command starts and waits for, and that does not outlive it.
//
// Its output goes to descriptors of the caller's. Errors: from errno; a program that is not there
// ends with kNoProgram. Threads: the caller must have one only.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/posix_file.h"
#include "base/result.h"

namespace freehold::cli {

using Words = std::vector<std::string>;

constexpr int kNoProgram = 127;

// What becomes of it when the command is killed.
enum class End {
  kInOrder,     // SIGTERM. In a session of its own: a Ctrl-C at the terminal does not reach it
  kWithItsTree  // SIGKILL, with all that it has started: it is process 1 of its own PID namespace
};

struct ChildProcess {
  std::string program;
  Words words;  // without the program's name
  End end = End::kInOrder;
  int out = -1;
  int err = -1;
  int directory = -1;  // where it runs; -1: where we do
};

Result<pid_t> StartChild(const ChildProcess& child);
// Its exit code, or 128 and the signal that ended it.
int WaitForChild(pid_t pid);

// For what it says: without a name, gone with its descriptor.
Result<UniqueFd> NewTemporaryFile();
// All of it, from its beginning.
Result<std::string> ReadBack(const UniqueFd& file);

}  // namespace freehold::cli
