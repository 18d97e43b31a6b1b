// DaemonChild: the key-holding daemon as a child of the supervisor, and the talk with it.
//
// One connection watches its status, one reports what the database does, one asks it to unmount.
// Holds no keys. Errors: kIo and kin; a daemon that does not answer is the guardian's business.
// Threads: the supervisor's loop. Spec: docs/control-socket.md.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "custody/custody_settings.h"
#include "node/control_socket.h"
#include "node/workload.h"

namespace freehold {

class DaemonChild {
 public:
  // `arguments`: of this very program, to become the daemon.
  DaemonChild(std::string control_path, std::vector<std::string> arguments)
      : control_path_(std::move(control_path)), arguments_(std::move(arguments)) {}

  // `settings` go behind the arguments.
  Status Start(const CustodySettings& settings);
  bool running() const { return pid_ != 0; }
  pid_t pid() const { return pid_; }
  void Signal(int number) const;
  bool Reaped(pid_t pid);

  // Tries to reach it; cheap, to be repeated until connected() holds.
  void Connect();
  bool connected() const { return watch_ != nullptr; }
  bool lost() const { return lost_; }  // was connected and is no more
  int watch_fd() const { return watch_ == nullptr ? -1 : watch_->fd(); }

  // What has come in since the last call, in order. Notices the end of the connection.
  std::vector<CustodyWords> ReadStatus();
  // That it last said it runs with: it may have been told others than it was started with.
  const std::optional<CustodySettings>& settings() const { return settings_; }

  void ReportStarted(pid_t pid);  // 0: nothing that the guardian could kill
  void ReportReady();             // clients are served
  void ReportStopped();

  // Asks once; the answer comes later.
  void RequestUnmount(bool force);
  int unmount_fd() const { return unmount_ == nullptr ? -1 : unmount_->fd(); }
  // The answer, if it is there.
  std::optional<Result<boost::json::object>> TakeUnmountAnswer();

 private:
  Result<std::unique_ptr<ControlConnection>> ConnectToChild() const;
  void Report(const boost::json::object& message);

  const std::string control_path_;
  const std::vector<std::string> arguments_;
  pid_t pid_ = 0;
  bool lost_ = false;
  std::optional<CustodySettings> settings_;
  std::unique_ptr<ControlConnection> watch_;
  std::unique_ptr<ControlConnection> reports_;
  std::unique_ptr<ControlConnection> unmount_;
};

}  // namespace freehold
