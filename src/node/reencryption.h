// Reencryption: brings every file of an open volume under its newest DEK, while it is in use.
//
// A thread of its own goes over all files in passes: one that counts, one that works, one that
// looks again; when a whole pass has found nothing under an older DEK, the older ones are dropped
// from the keyring. Throttled; ends at the next chunk when asked to; begins again where the headers
// say. Knows files only through FileSource. Errors: a file that cannot be done is counted and
// named, and the old DEKs stay. Threads: calls from anywhere. Spec: docs/format/file.md,
// "Re-encryption".
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "node/volume_paths.h"
#include "vfs/encrypted_file.h"

namespace freehold {

// The files of a volume, with the very contents that others have open.
class FileSource {
 public:
  virtual ~FileSource() = default;
  // Each regular file, those without a name among them. Stops at the first Error of `visit`.
  using Visit = std::function<Status(EncryptedFile& file, const std::string& name)>;
  // `unreadable` hears of files whose header cannot be opened.
  using Unreadable = std::function<void(const std::string& name, const Error& why)>;
  virtual Status ForEach(const Visit& visit, const Unreadable& unreadable) = 0;
  // How many files and directories have been given other names so far: a pass that goes by names
  // may have missed them.
  virtual std::uint64_t Moves() = 0;
  // No names change while this lives.
  virtual std::shared_ptr<void> HoldNames() = 0;
  // Runs a piece of work unless the volume is being sealed, which waits for it; kSealed then.
  virtual Status Enter(const std::function<Status()>& work) = 0;
};

inline constexpr std::uint64_t kDefaultRate = 64 << 20;  // bytes per second
inline constexpr std::uint64_t kLeastRate = 4096;

struct ReencryptionOptions {
  std::uint64_t bytes_per_second = kDefaultRate;
  std::uint64_t chunk = 1 << 18;
  Duration retry = std::chrono::seconds(30);  // after a KMS that did not answer
};

// After a step that has written so much: what the rate asks for, and four times as long as the step
// took, so that whoever wants the same disk and processors, and so makes it slow, has four fifths
// of them. Never more than ten times what the rate asks for: it must end.
Duration PauseAfter(std::uint64_t written, Duration took, std::uint64_t bytes_per_second);

enum class ReencryptionState { kCounting, kRunning, kChecking, kRetiring, kDone, kStuck, kStopped };
std::string_view NameOf(ReencryptionState state);  // "counting", ...

struct DekUse {
  std::uint64_t files = 0;  // a file that is half way counts under both
  std::uint64_t bytes = 0;
};

struct ReencryptionProgress {
  ReencryptionState state = ReencryptionState::kCounting;
  std::uint64_t bytes_per_second = 0;
  std::uint64_t bytes_total = 0;  // as counted; what came later is under the new DEK anyway
  std::uint64_t bytes_done = 0;
  std::map<Id, DekUse> deks;
  std::uint64_t unreadable = 0;
  std::string problem;  // one sentence; "" while there is none
  ErrorCode problem_code = ErrorCode::kInternal;

  int percent() const;  // 100 only when the old DEKs are gone
};

class Reencryption {
 public:
  // Takes the older DEKs out of the keyring and of memory.
  using Retire = std::function<Status()>;
  // All outlive the object.
  Reencryption(FileSource& files, const VolumeKeys& keys, const VolumePaths& paths, Retire retire,
               ReencryptionOptions options);
  ~Reencryption();  // stops and joins

  void Start();
  // From the next chunk on.
  void SetRate(std::uint64_t bytes_per_second) { bytes_per_second_ = bytes_per_second; }
  // After the chunk at hand; joins.
  void Stop();
  ReencryptionProgress Progress() const;

 private:
  void Run();
  Status RunPasses();
  // One pass over all files; how many are not under the newest DEK.
  Result<std::uint64_t> Count(ReencryptionState state);
  Result<bool> NothingIsLeft();
  Status Work();
  Status ReencryptFile(EncryptedFile& file, ReencryptJournal& journal);
  Status RetireUntilDone();
  bool Pause(Duration duration);  // false: asked to stop
  Status CheckStopping() const;
  void Enter(ReencryptionState state);

  FileSource& files_;
  const VolumeKeys& keys_;
  const VolumePaths& paths_;
  const Retire retire_;
  const ReencryptionOptions options_;
  std::atomic<std::uint64_t> bytes_per_second_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ReencryptionProgress progress_;
  bool stopping_ = false;
  std::thread thread_;
};

// Kept on the disk until the re-encryption is done, so that one that goes on goes no faster.
Status RememberRate(const VolumePaths& paths, std::uint64_t bytes_per_second);
// The default where nothing readable is there.
std::uint64_t RememberedRate(const VolumePaths& paths);

}  // namespace freehold
