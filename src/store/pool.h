// Pool: a few connections to one database, made when they are needed and kept for the next caller.
//
// A connection is lent to one thread. Only what is said to be clean comes back; what a failure or
// an exception leaves is closed. Errors: kNotReady when all are lent until the deadline, and
// whatever making one gives. Threads: safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace freehold::store {

using Deadline = std::chrono::steady_clock::time_point;

inline Deadline In(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// Connection: an owner that can be moved, such as a unique_ptr.
template <typename Connection>
class Pool {
 public:
  using Make = std::function<Result<Connection>()>;

  class Lease {
   public:
    Lease(Pool& pool, Connection connection) : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool_ != nullptr) pool_->Return(clean_ ? &connection_ : nullptr);
    }

    const Connection& operator*() const { return connection_; }
    const Connection& operator->() const { return connection_; }
    // It is as good as new: others may have it after this lease.
    void Keep() { clean_ = true; }

   private:
    Pool* pool_;
    Connection connection_;
    bool clean_ = false;
  };

  // At most `most` at a time.
  Pool(Make make, std::size_t most) : make_(std::move(make)), most_(most) {}

  Result<Lease> Take(Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!returned_.wait_until(lock, deadline, [this] { return lent_ < most_; })) {
      return Error(ErrorCode::kNotReady, "the store is busy with other requests; try again");
    }
    ++lent_;
    if (!idle_.empty()) {
      Connection connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(connection));
    }
    lock.unlock();
    auto made = make_();
    if (made.ok()) return Lease(*this, std::move(*made));
    Return(nullptr);
    return made.error();
  }

  // Those that nobody has are closed: what they lead to is gone.
  void Clear() {
    std::vector<Connection> closed;
    std::lock_guard lock(mutex_);
    closed.swap(idle_);
  }

 private:
  void Return(Connection* clean) {
    {
      std::lock_guard lock(mutex_);
      --lent_;
      if (clean != nullptr) idle_.push_back(std::move(*clean));
    }
    returned_.notify_one();
  }

  const Make make_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::size_t lent_ = 0;
  std::vector<Connection> idle_;
};

// Where a lease is nothing but a turn. Not a timed mutex, which ThreadSanitizer does not follow.
class Turns : public Pool<std::monostate> {
 public:
  explicit Turns(std::size_t at_once)
      : Pool([] { return Result<std::monostate>(std::monostate()); }, at_once) {}
};

}  // namespace freehold::store
