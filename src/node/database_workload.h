// DatabaseWorkload: a database by its profile, in namespaces of its own.
//
// Down means that every process of its tree has been reaped. Threads: as Workload.
// Spec: design section 3; docs/howto/add-a-database.md.
#pragma once

#include <optional>

#include "node/namespaces.h"
#include "node/profile.h"
#include "node/user.h"
#include "node/workload.h"

namespace freehold {

class DatabaseWorkload : public Workload {
 public:
  DatabaseWorkload(DatabasePlan plan, User user, const Clock& clock)
      : plan_(std::move(plan)), user_(std::move(user)), clock_(clock) {}

  State state() const override { return state_; }
  Status Start(const CustodyWords& why) override;
  void Stop(const CustodyWords& why) override;
  void Kill(const CustodyWords& why) override;
  void SetStopWithin(Duration stop_within) override { stop_within_ = stop_within; }
  bool Reaped(pid_t pid, int exit_code) override;
  BootTime Tick() override;
  pid_t protected_pid() const override { return tree_.has_value() ? tree_->init : 0; }

 private:
  void KillTree();
  void RunBeside(const CommandLine& command, Duration within);
  void EndHelper();
  void TreeEnded(int exit_code);
  void HelperEnded(int exit_code);

  const DatabasePlan plan_;
  const User user_;
  Duration stop_within_ = std::chrono::seconds(29);  // from Stop to SIGKILL
  const Clock& clock_;

  State state_ = State::kDown;
  std::optional<NamespacedTree> tree_;
  BootTime started_;
  BootTime kill_at_;  // while stopping
  bool killed_ = false;
  bool reported_ = false;  // that it outlives its SIGKILL, or takes long to be ready

  pid_t helper_ = 0;  // a ready check or a stop command
  BootTime helper_until_;
  BootTime next_check_;
};

}  // namespace freehold
