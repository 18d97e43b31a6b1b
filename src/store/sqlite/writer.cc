#include "store/sqlite/writer.h"

#include <exception>

namespace freehold::store {
namespace {

// Nobody waits longer for those who came later.
constexpr std::size_t kMostAtOnce = 64;

// Whatever ends a change but its success takes it back: an error, and an exception too.
class Savepoint {
 public:
  explicit Savepoint(Database& database) : database_(database) {}
  ~Savepoint() {
    if (kept_) return;
    sqlite3_exec(database_.get(), "ROLLBACK TO change; RELEASE change", nullptr, nullptr, nullptr);
  }
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;

  Status Begin() { return database_.Execute("SAVEPOINT change"); }
  Status Keep() {
    TRY(database_.Execute("RELEASE change"));
    kept_ = true;
    return {};
  }

 private:
  Database& database_;
  bool kept_ = false;
};

}  // namespace

Status Writer::Change(const Work& work) {
  const std::shared_ptr<Group> group = TRY(TakeTurn());
  Status worked;
  std::exception_ptr thrown;
  try {
    worked = Try(work);
  } catch (...) {  // the turn goes on whatever happens
    thrown = std::current_exception();
  }
  const Status ended = EndTurn(*group, worked);
  if (thrown != nullptr) std::rethrow_exception(thrown);
  return worked.ok() ? ended : worked;
}

std::size_t Writer::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

Result<std::shared_ptr<Writer::Group>> Writer::TakeTurn() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  const bool is_mine = free_.wait_for(lock, patience_, [this] { return !taken_; });
  --waiting_;
  if (!is_mine) {
    return Error(ErrorCode::kNotReady, "the store is busy with other requests; try again");
  }
  taken_ = true;
  if (group_ != nullptr) return group_;
  lock.unlock();  // the lock of a file that another program writes to is waited for
  const Status begun = connection_->Execute("BEGIN IMMEDIATE");
  lock.lock();
  if (begun.ok()) return group_ = std::make_shared<Group>();
  taken_ = false;
  free_.notify_one();
  return begun.error();
}

Status Writer::Try(const Work& work) {
  Savepoint savepoint(*connection_);
  TRY(savepoint.Begin());
  TRY(work(*connection_));
  return savepoint.Keep();
}

Status Writer::EndTurn(Group& group, const Status& worked) {
  // A full disk, for one, makes SQLite take back all of a transaction by itself.
  const bool is_open = sqlite3_get_autocommit(connection_->get()) == 0;
  {
    std::unique_lock lock(mutex_);
    ++group.changes;
    if (is_open && waiting_ > 0 && group.changes < kMostAtOnce) {
      taken_ = false;
      free_.notify_one();
      group.told.wait(lock, [&] { return group.ended.has_value(); });
      return *group.ended;
    }
  }
  Status ended = is_open ? Commit() : worked;
  const std::lock_guard lock(mutex_);
  group.ended = ended;
  group.told.notify_all();
  group_.reset();
  taken_ = false;
  free_.notify_one();
  return ended;
}

Status Writer::Commit() {
  Status committed = connection_->Execute("COMMIT");
  if (sqlite3_get_autocommit(connection_->get()) == 0) {
    sqlite3_exec(connection_->get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  return committed;
}

}  // namespace freehold::store
