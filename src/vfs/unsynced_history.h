// UnsyncedHistory: the bytes of one file, and every state that each part of them had since the last
// sync. Of this a crash makes its choice, and by this the outcome of a crash is judged.
//
// The model of a disk and its file system (docs/crash-model.md): a granule is written whole or not
// at all; after a crash each granule has any one of the states that it had since the last sync,
// independently of the others, and the length is any one of the lengths, independently of the
// granules. A write that makes the file longer does so page by page.
// Knows nothing of files above or below. Threads: none. Errors: none.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace freehold {

class UnsyncedHistory {
 public:
  // 512 for the sectors of a disk; 16 for the blocks that an encrypted file promises.
  explicit UnsyncedHistory(std::size_t granule) : granule_(granule) {}

  ByteView now() const { return ByteView(bytes_).first(size_); }

  void Write(std::uint64_t offset, ByteView data);
  void Resize(std::uint64_t size);
  void Zero(std::uint64_t offset, std::uint64_t end);  // end is cut to the size
  // The contents are replaced by what `bytes` says, in one step, without a sync.
  void Replace(ByteView bytes);
  // All that was before can no longer come back.
  void Sync();

  // An index below `count`, which is 1 or more. 0 is the oldest state: the synced one.
  using Choose = std::function<std::size_t(std::size_t count)>;
  void Crash(const Choose& choose);

  // Why `after` cannot be an outcome of a crash; nothing when it can.
  std::optional<std::string> Forbids(ByteView after) const;

 private:
  std::size_t GranulesIn(std::uint64_t size) const { return (size + granule_ - 1) / granule_; }
  ByteView Granule(std::size_t index) const;
  ByteView State(std::uint32_t state) const;
  void Remember(std::size_t index);
  void AddSize(std::uint64_t size);
  template <typename Change>
  void Apply(std::uint64_t offset, std::uint64_t end, Change change);

  std::size_t granule_;
  Bytes bytes_;  // whole granules; zeros behind size_
  std::uint64_t size_ = 0;
  std::vector<std::uint64_t> sizes_ = {0};          // since the last sync, the synced one first
  std::vector<std::vector<std::uint32_t>> states_;  // per granule, likewise; empty if never changed
  std::vector<std::size_t> changed_;                // the granules that have states
  Bytes arena_;                                     // the bytes of all states
};

}  // namespace freehold
