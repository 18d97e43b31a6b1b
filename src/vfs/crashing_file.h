// CrashingFile: a File in memory that can lose its power: a MemoryFile with a disk's faults.
//
// What was synced is never lost. Of what was not, a crash keeps, drops, reorders and tears at the
// grain of 512-byte sectors, and the length on its own (vfs/unsynced_history.h). The power can also
// go in the middle of an operation of a file above: CutPowerAfter.
// A double for tests, shipped beside the interface. Threads: safe. Errors: kIo while there is no
// power, kNoSpace when told to. Spec: vfs/file.h, docs/crash-model.md.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "vfs/file.h"
#include "vfs/unsynced_history.h"

namespace freehold {

class CrashingFile : public File {
 public:
  static constexpr std::size_t kSectorSize = 512;

  CrashingFile() = default;
  // A disk that has these bytes, synced.
  explicit CrashingFile(ByteView contents);

  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override;
  Status WriteAt(std::uint64_t offset, ByteView data) override;
  Result<std::uint64_t> Size() override;
  Status Truncate(std::uint64_t size) override;
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override;
  Status Sync(SyncKind kind) override;
  Result<std::uint64_t> SeekData(std::uint64_t offset) override;
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override;

  // After `changes` more changes and syncs every one fails and does nothing, until the crash.
  void CutPowerAfter(int changes);
  bool has_power() const { return power_left_ != 0; }
  // For what goes with this file on the same disk: kIo once the power is off.
  Status UsePower();
  // The next write ends with kNoSpace, having written the whole pages of `partial` bytes.
  void FailNextWrite(std::size_t partial) { partial_ = partial; }
  bool will_fail() const { return partial_.has_value(); }

  // The state after the crash is synced, and the power is back. No File above may be in use.
  void Crash(const UnsyncedHistory::Choose& choose);
  ByteView contents() const { return history_.now(); }

 private:
  std::mutex mutex_;
  UnsyncedHistory history_{kSectorSize};
  int power_left_ = -1;  // changes until the power goes; -1: it stays
  std::optional<std::size_t> partial_;
};

}  // namespace freehold
