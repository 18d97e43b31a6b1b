// Writer: the one connection that changes an SQLite file, and the commits of those who share it.
//
// One change is made at a time. A change that others wait behind leaves the transaction open to the
// next, and the last of them commits for all: one wait for the disk instead of one for each. Each
// is a savepoint of its own, so that what it refuses takes back nothing but itself; no caller comes
// back before what it did is committed, or all of it is taken back.
// Errors: kNotReady when no turn comes in time; of a commit that fails, to all that it was for.
// Threads: safe; `work` runs in its caller's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/result.h"
#include "store/sqlite/statement.h"

namespace freehold::store {

class Writer {
 public:
  using Work = std::function<Status(Database&)>;

  Writer(Connection connection, std::chrono::milliseconds patience)
      : connection_(std::move(connection)), patience_(patience) {}

  // All of `work` or nothing.
  Status Change(const Work& work);
  // How many wait for their turn now.
  std::size_t waiting() const;

 private:
  // Those who share a commit.
  struct Group {
    std::size_t changes = 0;
    std::optional<Status> ended;  // unset: not committed yet
    std::condition_variable told;
  };

  Result<std::shared_ptr<Group>> TakeTurn();
  Status Try(const Work& work);
  Status EndTurn(Group& group, const Status& worked);
  Status Commit();

  const Connection connection_;
  const std::chrono::milliseconds patience_;
  mutable std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;  // somebody has the turn, and the connection
  std::size_t waiting_ = 0;
  std::shared_ptr<Group> group_;  // null: no transaction is open
};

}  // namespace freehold::store
