// StateStore: one protocol's state on disk: checked, durable before anybody is told.
//
//   one line "freehold-kms-store 1 HMAC-SHA256", then the state as its codec writes it
//
// A file that is damaged, or of another master key, is refused and left as it is. Errors:
// kFileCorrupt, or the disk's. Threads: safe. Readers get an immutable state; updates are one at a
// time, all or nothing.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "kms/embedded/master_key.h"

namespace freehold::embedded {

// The body of a store's file. kNotFound when there is none.
Result<std::string> ReadStore(const std::string& path, const MasterKey& master);
Status WriteStore(const std::string& path, const MasterKey& master, std::string_view body);

template <typename S>
class StateStore {
 public:
  using Encode = std::string (*)(const S&);
  using Decode = Result<S> (*)(std::string_view);

  // `master` outlives the store. A file that is not there is an empty state.
  static Result<std::unique_ptr<StateStore>> Open(std::string path, const MasterKey& master,
                                                  Encode encode, Decode decode) {
    S state;
    auto body = ReadStore(path, master);
    if (body.ok()) {
      auto decoded = decode(*body);
      if (!decoded.ok()) return decoded.error().Because(path);
      state = *std::move(decoded);
    } else if (body.error().code() != ErrorCode::kNotFound) {
      return body.error();
    }
    return std::unique_ptr<StateStore>(
        new StateStore(std::move(path), master, encode, decode, std::move(state)));
  }

  std::shared_ptr<const S> Read() const {
    const std::lock_guard lock(publishing_);
    return state_;
  }

  // Runs `change` on a copy; on success (`ok()`) writes it durably and publishes it. A failure of
  // `change` changes nothing and is returned; one of the disk goes through `disk_failed`.
  template <typename Outcome>
  Outcome Update(const std::function<Outcome(S&)>& change,
                 const std::function<Outcome(const Error&)>& disk_failed) {
    const std::lock_guard writing(writing_);
    auto next = std::make_shared<S>(*Read());
    Outcome outcome = change(*next);
    if (!outcome.ok()) return outcome;
    if (auto saved = Save(*next); !saved.ok()) return disk_failed(saved.error());
    const std::lock_guard lock(publishing_);
    state_ = std::move(next);
    return outcome;
  }

 private:
  StateStore(std::string path, const MasterKey& master, Encode encode, Decode decode, S state)
      : path_(std::move(path)),
        master_(master),
        encode_(encode),
        decode_(decode),
        state_(std::make_shared<const S>(std::move(state))) {}

  Status Save(const S& state) const {
    const std::string body = encode_(state);
    TRY(decode_(body));  // what could not be read back must not replace what can
    return WriteStore(path_, master_, body);
  }

  const std::string path_;
  const MasterKey& master_;
  const Encode encode_;
  const Decode decode_;
  std::mutex writing_;  // one update at a time
  mutable std::mutex publishing_;
  std::shared_ptr<const S> state_;
};

}  // namespace freehold::embedded
