// VolumeHost: the one volume of this host, as the agent sees it and what it does with it.
//
// Everything is a request to the process that holds the volume, or a command of this program.
// Errors: those of the commands and of the control socket, one sentence. Threads: SealNow and Try
// may be called beside the others. Spec: docs/control-socket.md.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/reconcile.h"
#include "base/clock.h"

namespace freehold::agent {

struct HostOptions {
  std::string volume;                         // directory
  std::vector<std::string> create_arguments;  // all but the key's
  std::vector<std::string> run_arguments;
  std::vector<std::string> allow_keys;  // shell patterns: no other key is ever used
  std::string log_path;                 // of what runs
  bool adopt = false;                   // a volume that belongs to no cluster yet
};

class VolumeHost {
 public:
  VolumeHost(HostOptions options, const Clock& clock)
      : options_(std::move(options)), paths_(options_.volume), clock_(clock) {}

  Observed Look();
  Status Do(Step step, const api::DesiredState& desired);
  // Nothing, when nobody holds the volume.
  Status SealNow();
  // Waits until nobody holds it.
  Status Stop();
  api::TrialAnswer Try(const api::KeyTrial& trial) const;

 private:
  Status Create(const api::DesiredState& desired);
  Status Start();
  Status ChangeKey(const char* command, const api::DesiredState& desired);
  Status TakeOrder(const api::DesiredState& desired);
  void LookAtDaemon(Observed& observed);
  bool OursRuns();

  const HostOptions options_;
  const VolumePaths paths_;
  const Clock& clock_;
  pid_t running_ = 0;  // `freehold run`, when we started it
};

}  // namespace freehold::agent
