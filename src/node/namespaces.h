// Namespaces: a database's process tree in mount, PID and IPC namespaces of its own.
//
// Process 1 of the tree is a tiny init: it makes the private places, starts one main process,
// reaps, and ends when the main process ends, with its exit code. When it ends, for whatever
// reason, the kernel kills every process of the tree and drops its tmpfs and IPC objects. It ends
// with the process that started it, even if that one is killed. Knows no databases and no keys.
// Needs root. Errors: from errno, or text through NamespacedTree::failure.
// Threads: the caller must have one thread only. Spec: design section 3; namespaces(7).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/posix_file.h"
#include "base/result.h"

namespace freehold {

struct NamespacePlaces {
  // Directories that get an empty tmpfs of the tree's own, with the owner and mode that they have;
  // those that do not exist are left out. /dev/shm, /tmp and /var/tmp always belong to them.
  std::vector<std::string> private_tmpfs;
  std::string tmpfs_size = "25%";    // of each, as mount -o size=
  std::vector<std::string> visible;  // stay what they are, even below a private directory
};

// Runs in the main process; only comes back to say why it could not become the program.
using MainProcess = std::function<Error()>;

struct NamespacedTree {
  pid_t init = 0;    // the tree's process 1, a child of ours that the caller reaps
  UniqueFd signal;   // one byte: a signal for the main process. Closing it ends the tree
  UniqueFd failure;  // why the program never ran; empty and at its end once it runs. Non-blocking
};

Result<NamespacedTree> StartInNamespaces(const NamespacePlaces& places, const MainProcess& main);
Status SignalMain(const NamespacedTree& tree, int number);

// A further process in the namespaces of a running tree; a child of ours that the caller reaps,
// with the exit code of `main`'s program. It ends with the tree.
Result<pid_t> StartBeside(pid_t init, const MainProcess& main);

// Processes of the tree that are still there: "PID name (state)". For a tree that will not end.
std::vector<std::string> ProcessesBelow(pid_t init);

}  // namespace freehold
