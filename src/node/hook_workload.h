// HookWorkload: commands of the operator's own, for a database that systemd, Patroni or Kubernetes
// starts and stops.
//
// on-open runs when the volume has been opened, on-seal before it is sealed; the end of on-seal is
// the confirmation that the database has stopped, and there is the stop timeout for it. Both run by
// sh -c with FREEHOLD_MOUNT, FREEHOLD_VOLUME, FREEHOLD_STATE and FREEHOLD_REASON. Threads: as
// Workload.
#pragma once

#include "node/workload.h"

namespace freehold {

struct Hooks {
  std::string on_open;  // "" = nothing
  std::string on_seal;
  std::string volume;
  std::string mount;
};

class HookWorkload : public Workload {
 public:
  HookWorkload(Hooks hooks, const Clock& clock) : hooks_(std::move(hooks)), clock_(clock) {}

  State state() const override { return state_; }
  Status Start(const CustodyWords& why) override;
  void Stop(const CustodyWords& why) override;
  // The database is not ours to kill: its owner hears of it in the same way.
  void Kill(const CustodyWords& why) override { Stop(why); }
  void SetStopWithin(Duration stop_within) override { stop_within_ = stop_within; }
  bool Reaped(pid_t pid, int exit_code) override;
  BootTime Tick() override;

 private:
  Result<pid_t> Run(const std::string& command, const CustodyWords& why) const;

  const Hooks hooks_;
  Duration stop_within_ = std::chrono::seconds(29);  // from Stop to SIGKILL
  const Clock& clock_;
  State state_ = State::kDown;
  pid_t running_ = 0;  // the hook, and its process group
  BootTime until_;
};

}  // namespace freehold
