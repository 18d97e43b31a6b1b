// Supervisor: runs a workload while, and only while, a volume is open.
//
// A process without keys. It starts the key-holding daemon, follows its custody, starts the
// workload when the volume is open, stops it before a seal and confirms that; starts what crashed
// again; and when the daemon dies, kills the workload's tree, waits for its last process and begins
// from the start. Whatever point it is interrupted at, neither a mount nor a process is left: its
// children end with it.
// Errors: Run() fails when the daemon cannot start at all, with the daemon's exit code.
// Threads: one, which is the process's only one. Spec: design section 3.
#pragma once

#include <sys/signalfd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/posix_file.h"
#include "custody/custody_settings.h"
#include "node/daemon_child.h"
#include "node/workload.h"

namespace freehold {

struct SupervisorOptions {
  std::string mount_point;  // absolute, without symbolic links
  std::string control_path;
  std::vector<std::string> daemon_arguments;
  CustodySettings custody;     // the daemon's, until it was told others
  bool adopts_orphans = true;  // the guardian's; not with hooks, whose databases may be orphans
};

// 1, 2, 4 ... 30 seconds; starts over after something has held for a while.
class BackOff {
 public:
  Duration Next(BootTime now);
  void Reset() { next_ = std::chrono::seconds(1); }

 private:
  Duration next_ = std::chrono::seconds(1);
  BootTime last_{};
};

class Supervisor {
 public:
  Supervisor(SupervisorOptions options, std::unique_ptr<Workload> workload, const Clock& clock);

  // Until SIGTERM, SIGINT, SIGHUP or an unmount asked of the daemon; returns an exit code.
  int Run();

 private:
  // What has happened.
  void TakeSignals();
  void Reap();
  void TakeStatus();
  void TakeSettings();
  void DaemonEnded(int exit_code);
  void WorkloadEnded();

  // What is to be done about it; each returns at once.
  void Step();
  void StepWithDaemon();
  void StepWithoutDaemon();
  void StepUnmount();
  void StartWorkload();
  void Announce();
  bool StrangersLeft() const;
  void WaitForEvents();
  void DueAt(BootTime time) { next_ = std::min(next_, time); }
  bool IsOpen() const { return words_.state == "open" || words_.state == "grace"; }

  const SupervisorOptions options_;
  CustodySettings custody_;
  const std::unique_ptr<Workload> workload_;
  const Clock& clock_;
  DaemonChild daemon_;
  UniqueFd signals_;

  CustodyWords words_{"sealed", "starting"};
  std::string announced_;
  bool ready_announced_ = false;  // to the service manager, once
  bool ready_reported_ = false;   // to the daemon, each time
  bool ever_connected_ = false;
  bool stopping_ = false;
  bool finished_ = false;
  int exit_code_ = 0;

  BackOff daemon_back_off_;
  BackOff workload_back_off_;
  BootTime daemon_start_at_{};
  BootTime workload_start_at_{};
  BootTime first_tries_until_{};  // a volume or mount point may still be busy with a predecessor
  BootTime strangers_until_{};    // how long a dead daemon's guardian is waited for
  BootTime end_daemon_at_{};      // when a daemon that should end is killed
  bool unmount_asked_ = false;
  bool stop_signal_sent_ = false;
  BootTime next_{};  // when something is due
};

}  // namespace freehold
