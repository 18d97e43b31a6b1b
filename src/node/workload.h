// Workload: what runs while a volume is open: a supervised database, or somebody else's by hooks.
//
// Driven by the supervisor's loop and never waiting: Start and Stop only begin something, Reaped
// and Tick carry it on. Threads: the loop's only.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace freehold {

// Why something is started or stopped, in custody's words: "open", "sealing"; "denied", "stopped".
struct CustodyWords {
  std::string state;
  std::string reason;
};

class Workload {
 public:
  enum class State { kDown, kStarting, kReady, kStopping };

  virtual ~Workload() = default;
  virtual State state() const = 0;

  virtual Status Start(const CustodyWords& why) = 0;
  // In order, and by force when the time for that is over.
  virtual void Stop(const CustodyWords& why) = 0;
  // The mount is gone: nothing can be done in order any more.
  virtual void Kill(const CustodyWords& why) = 0;
  // For the next Stop: how long until force.
  virtual void SetStopWithin(Duration stop_within) = 0;

  // A child of this process has ended; true if it was the workload's.
  virtual bool Reaped(pid_t pid, int exit_code) = 0;
  // Does what is due; returns when the next thing is.
  virtual BootTime Tick() = 0;

  // The process whose end ends everything, for the guardian; 0 for none.
  virtual pid_t protected_pid() const { return 0; }
};

}  // namespace freehold
