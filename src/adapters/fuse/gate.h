// Gate: the one switch that every request of a mount passes; closing it fences the volume.
//
// Threads: safe. After Close() no new request enters; Drained() waits for those inside.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/clock.h"

namespace freehold::fuse {

class Gate {
 public:
  // A pass for one request. False once the gate is closed.
  class Pass {
   public:
    explicit Pass(Gate& gate) : gate_(gate), entered_(gate.Enter()) {}
    ~Pass() {
      if (entered_) gate_.Leave();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return entered_; }

   private:
    Gate& gate_;
    const bool entered_;
  };

  bool closed() const { return closed_.load(); }
  void Close() {
    closed_ = true;
    SetHeld(false);
  }

  // While held, requests wait before they enter, instead of failing.
  void SetHeld(bool held) {
    if (held_.exchange(held) == held) return;
    std::lock_guard lock(mutex_);
    released_.notify_all();
  }

  // True when no request is inside any more; false after `deadline`.
  bool Drained(Duration deadline) {
    std::unique_lock lock(mutex_);
    return empty_.wait_for(lock, deadline, [this] { return inside_.load() == 0; });
  }

 private:
  // Counts first and looks second, so that Close() then Drained() misses nobody.
  bool Enter() {
    if (held_.load()) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return !held_.load(); });
    }
    inside_.fetch_add(1);
    if (!closed_.load()) return true;
    Leave();
    return false;
  }
  void Leave() {
    if (inside_.fetch_sub(1) == 1 && closed_.load()) {
      std::lock_guard lock(mutex_);
      empty_.notify_all();
    }
  }

  std::atomic<bool> closed_{false};
  std::atomic<bool> held_{false};
  std::atomic<int> inside_{0};
  std::mutex mutex_;
  std::condition_variable empty_;
  std::condition_variable released_;
};

}  // namespace freehold::fuse
