// The guardian: a small process without keys that acts when the daemon cannot.
//
// It holds a copy of the mount's connection and expects heartbeats on the boot clock. When they
// stop (the daemon is dead, stopped, or hangs past its lease) it kills the database's process tree,
// kills the daemon, ends the connection, detaches the mount and drops every cached page through the
// connection it still holds. In that order: nothing it does waits for a process that will not die.
// A daemon that seals or unmounts by itself tells it to go.
// Threads: GuardianLink is safe. Spec: design section 3; the protocol is in guardian.cc.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/posix_file.h"
#include "base/result.h"

namespace freehold {

struct GuardianOptions {
  std::string mount_point;
  Duration heartbeat_timeout = std::chrono::seconds(3);
};

// The daemon's end. Destroying it without Dismiss() looks like death to the guardian.
class GuardianLink {
 public:
  // Starts the guardian with a copy of `device_fd`.
  static Result<std::unique_ptr<GuardianLink>> Start(const GuardianOptions& options, int device_fd);
  ~GuardianLink();

  // Where the mount keeps its highest node id; memory shared with the guardian.
  std::atomic<std::uint64_t>& highest_node_id();
  // False when the guardian is gone.
  bool Heartbeat();
  // The process whose whole PID namespace is to be killed on a miss; 0 for none.
  bool Protect(pid_t pid);
  void Dismiss();

 private:
  GuardianLink() = default;
  bool SendLine(const std::string& line);

  UniqueFd socket_;
  std::atomic<std::uint64_t>* shared_ = nullptr;
  pid_t pid_ = -1;
};

// The guardian's own main, after exec: `freehold internal guardian ...`. Returns an exit code.
int RunGuardian(const GuardianOptions& options, pid_t daemon);

}  // namespace freehold
