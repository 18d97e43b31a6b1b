// The init of a database's namespaces, and what every process has to do before it becomes a
// program.
//
// Runs between clone and exec, in a process with one thread. Spec: node/namespaces.h.
#pragma once

#include "node/namespaces.h"

namespace freehold {

constexpr int kCouldNotRun = 127;  // as a shell says it

// Process 1. Never returns.
[[noreturn]] void RunNamespaceInit(const NamespacePlaces& places, const MainProcess& main,
                                   UniqueFd signal, UniqueFd failure);

// Default dispositions, nothing blocked.
void ResetSignals();
void CloseDescriptorsFrom(int first);
// 0 to 255, or 128 plus the signal.
int ExitCodeOf(int wait_status);

}  // namespace freehold
