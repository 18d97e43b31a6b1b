// StopSignal: SIGTERM and SIGINT as something to wait for, instead of something that interrupts.
//
// Make one before any thread starts: the signals are blocked in every thread made after it.
// Threads: Wait() in one thread only.
#pragma once

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

  // Returns the signal that asked the process to stop.
  int Wait() {
    int received = 0;
    while (sigwait(&signals_, &received) != 0) {
    }
    return received;
  }

 private:
  sigset_t signals_;
};

}  // namespace freehold
