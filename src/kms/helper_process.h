// HelperProcess: one running KMS helper and our end of the socket pair to it.
//
// The helper is this very program with `internal kms-helper`; it inherits the environment, standard
// error and its end of the pair, and no other descriptor. Dead and reaped when this goes: after its
// answer it has nothing left to do, and without one it must not go on.
// Errors: kIo for a process that does not start; those of SendFrame and ReceiveFrame. Nobody else
// in the process may reap with waitpid(-1). Threads: one caller at a time. Spec: helper_protocol.h.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/posix_file.h"
#include "kms/helper_protocol.h"
#include "kms/request_pace.h"

namespace freehold {

struct HelperOptions {
  std::string executable = "/proc/self/exe";
  std::vector<std::string> arguments = {"internal", "kms-helper"};
  Duration deadline = std::chrono::seconds(10);  // for one operation, on the boot clock
  const Clock* clock = &SystemClock();
  // Set from another thread: no operation waits for its KMS any longer, and its helper is killed.
  std::shared_ptr<const std::atomic<bool>> interrupted = nullptr;
  // One helper for all probes of a provider, so that they share a connection to the KMS.
  bool probes_share_a_helper = false;
  std::shared_ptr<RequestPace> pace = nullptr;  // null: every operation begins at once

  bool Interrupted() const { return interrupted != nullptr && *interrupted; }
};

class HelperProcess {
 public:
  static Result<std::unique_ptr<HelperProcess>> Start(const HelperOptions& options);
  ~HelperProcess();
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;

  // After an error this process is of no more use: what it still says is of another question.
  Result<HelperAnswer> Ask(const HelperRequest& request, const HelperOptions& options);
  BootTime started() const { return started_; }

 private:
  HelperProcess(pid_t pid, UniqueFd fd, BootTime started)
      : pid_(pid), fd_(std::move(fd)), started_(started) {}

  const pid_t pid_;
  const UniqueFd fd_;
  const BootTime started_;
};

}  // namespace freehold
