// CrashModel: random programs on an encrypted file whose disk loses its power, judged block by
// block.
//
// Two rules, after every crash: nothing synced is lost, and nothing unsynced turns into other
// bytes. Each 16-byte block reads as something that it was since the last sync, and the length is
// one that the file had. The same seed runs the same program. Test code, shipped beside what it
// tests. Threads: none. Spec: docs/crash-model.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "format/sizes.h"
#include "keyring/volume_keys.h"
#include "vfs/crashing_file.h"
#include "vfs/encrypted_file.h"
#include "vfs/reencrypt_journal.h"
#include "vfs/test_volume.h"

namespace freehold {

// Opens `disk` as a mount does after a crash: recovery first, by the journal of the re-encryption
// (empty: there is none) and where there is no header.
Result<std::unique_ptr<File>> OpenAfterCrash(CrashingFile& disk, const VolumeKeys& keys,
                                             ByteView journal = {});
Result<Bytes> ReadWhole(File& file);

class CrashModel : private ReencryptJournal {
 public:
  explicit CrashModel(std::uint64_t seed) : random_(seed) {}

  // What went wrong, with the operations that led there; nothing when all went well.
  std::optional<std::string> Run(std::uint64_t operations);
  std::uint64_t crashes() const { return crashes_; }

 private:
  using Verdict = std::optional<std::string>;

  Verdict StartFile();
  Verdict Step();
  Verdict Write(std::uint64_t offset, std::size_t size);
  Verdict Truncate(std::uint64_t size);
  Verdict Allocate();
  Verdict Synchronise();
  Verdict Reencrypt();
  Status Record(ByteView encoded) override;
  Verdict Read();
  Verdict Reopen();
  Verdict Crash();
  Verdict OpenOrCrashAgain();
  // `promised` holds what the file may be when the operation ended as `done` says.
  Verdict Judge(const Status& done);

  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }
  bool OneIn(int chances) { return Below(static_cast<std::uint64_t>(chances)) == 0; }
  std::uint64_t Position();
  std::size_t Length();

  std::mt19937_64 random_;
  std::unique_ptr<TestVolume> volume_;
  VolumeKeys keys_;
  int deks_ = 1;
  Bytes journal_;  // of the re-encryption; empty: none
  std::unique_ptr<CrashingFile> disk_;
  std::unique_ptr<File> file_;
  UnsyncedHistory promised_{kBlockSize};
  std::uint64_t focus_ = 0;  // positions gather here: the edges of sectors, units and the file
  std::string trace_;        // of this file's operations
  std::uint64_t crashes_ = 0;
};

}  // namespace freehold
