// CountingStore: a store that counts how often the one below it fails. Threads: safe.
#pragma once

#include <atomic>

#include "control/store.h"

namespace freehold::control {

class CountingStore : public Store {
 public:
  // `store` outlives it.
  explicit CountingStore(Store& store) : store_(store) {}

  Status Change(const std::function<Status(Transaction&)>& work) override {
    return Counted(work, [&](const auto& watched) { return store_.Change(watched); });
  }
  Status Read(const std::function<Status(Transaction&)>& work) override {
    return Counted(work, [&](const auto& watched) { return store_.Read(watched); });
  }
  Result<StoreState> State() override {
    auto state = store_.State();
    if (!state.ok()) ++errors_;
    return state;
  }
  Result<Durability> HowDurable() override { return store_.HowDurable(); }

  std::uint64_t errors() const { return errors_; }

 private:
  // What the work itself refuses is no error of the store, unless it says that it is.
  template <typename Run>
  Status Counted(const std::function<Status(Transaction&)>& work, const Run& run) {
    bool refused = false;
    Status done = run([&](Transaction& transaction) {
      Status worked = work(transaction);
      refused = !worked.ok() && worked.error().code() != ErrorCode::kIo &&
                worked.error().code() != ErrorCode::kFileCorrupt;
      return worked;
    });
    if (!done.ok() && !refused) ++errors_;
    return done;
  }

  Store& store_;
  std::atomic<std::uint64_t> errors_ = 0;
};

}  // namespace freehold::control
