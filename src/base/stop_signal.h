// StopSignal: SIGTERM and SIGINT as something to wait for, instead of something that interrupts.
//
// Make one before any thread starts: the signals are blocked in every thread made after it.
// Threads: WaitFor() in one thread only.
#pragma once

#include <chrono>
#include <csignal>

namespace freehold {

class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  // True when the process has been asked to stop; false when the time is over.
  bool WaitFor(std::chrono::seconds time) {
    const timespec limit{time.count(), 0};
    return sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_;
};

}  // namespace freehold
