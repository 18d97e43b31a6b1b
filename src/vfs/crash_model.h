// CrashModel: random programs on an encrypted file whose disk loses its power, judged block by
// block.
//
// Two rules, after every crash: nothing synced is lost, and nothing unsynced turns into other
// bytes. Each 16-byte block reads as something that it was since the last sync, and the length is
// one that the file had. Under aes-256-ctr a third: no block of keystream meets two plaintexts, and
// what is refused as written already changes nothing. The same seed runs the same program. Test
// code, shipped beside what it tests. Threads: none. Spec: docs/crash-model.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "format/sizes.h"
#include "keyring/volume_keys.h"
#include "vfs/crashing_file.h"
#include "vfs/encrypted_file.h"
#include "vfs/keystream_watch.h"
#include "vfs/memory_file.h"
#include "vfs/reencrypt_journal.h"
#include "vfs/test_volume.h"

namespace freehold {

// What a mount does after a crash, by the journal of the re-encryption (empty: there is none) and
// where there is no header.
Status RecoverAfterCrash(File& disk, const VolumeKeys& keys, ByteView journal);
Result<std::unique_ptr<File>> OpenAfterCrash(CrashingFile& disk, const VolumeKeys& keys,
                                             ByteView journal = {});
Result<Bytes> ReadWhole(File& file);

class CrashModel : private ReencryptJournal {
 public:
  explicit CrashModel(std::uint64_t seed, Cipher cipher = Cipher::kAes256Xts)
      : cipher_(cipher), random_(seed) {}

  // What went wrong, with the operations that led there; nothing when all went well.
  std::optional<std::string> Run(std::uint64_t operations);
  std::uint64_t crashes() const { return crashes_; }
  std::uint64_t refusals() const { return refusals_; }
  std::uint64_t blocks_written() const { return blocks_written_; }

 private:
  // The disk, seen by the watch.
  class WatchedFile : public BorrowedFile {
   public:
    WatchedFile(CrashingFile& disk, CrashModel& model) : BorrowedFile(disk), model_(model) {}
    Status WriteAt(std::uint64_t offset, ByteView data) override {
      if (offset >= kHeaderSize) model_.See(offset - kHeaderSize, data);
      return BorrowedFile::WriteAt(offset, data);
    }

   private:
    CrashModel& model_;
  };

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
  Result<std::unique_ptr<File>> Open();
  Verdict Change(const std::function<void()>& promise, const std::function<Status()>& change);
  // `promised` holds what the file may be when the operation ended as `done` says.
  Verdict Judge(const Status& done);
  void See(std::uint64_t offset, ByteView ciphertext);

  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }
  bool OneIn(int chances) { return Below(static_cast<std::uint64_t>(chances)) == 0; }
  std::uint64_t Position();
  std::size_t Length();

  const Cipher cipher_;
  std::mt19937_64 random_;
  std::unique_ptr<TestVolume> volume_;
  VolumeKeys keys_;
  int deks_ = 1;
  Bytes journal_;  // of the re-encryption; empty: none
  std::unique_ptr<CrashingFile> disk_;
  UnsyncedHistory promised_{kBlockSize};
  Bytes before_;  // the file's contents before the operation
  KeystreamWatch watch_;
  std::uint64_t focus_ = 0;  // positions gather here: the edges of sectors, units and the file
  std::string trace_;        // of this file's operations
  std::uint64_t crashes_ = 0;
  std::uint64_t refusals_ = 0;
  std::uint64_t blocks_written_ = 0;
  std::unique_ptr<File> file_;  // the last: its end writes through the watch
};

}  // namespace freehold
