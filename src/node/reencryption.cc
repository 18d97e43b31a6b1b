#include "node/reencryption.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold {
namespace {

// One record at the file's beginning, written over the one before it.
class FileJournal : public ReencryptJournal {
 public:
  explicit FileJournal(std::string path) : path_(std::move(path)) {}

  Status Record(ByteView encoded) override {
    if (!fd_.valid()) {
      fd_ = TRY(OpenFile(path_, O_WRONLY | O_CREAT | O_NONBLOCK, 0600));
      TRY(SyncDirectory(path_.substr(0, path_.rfind('/'))));
    }
    if (lseek(fd_.get(), 0, SEEK_SET) != 0) return ErrnoError(errno, path_);
    TRY(WriteAll(fd_.get(), encoded));
    if (ftruncate(fd_.get(), static_cast<off_t>(encoded.size())) != 0) {
      return ErrnoError(errno, path_);
    }
    if (IsMutant("journal-not-synced")) return {};
    if (fdatasync(fd_.get()) != 0) return ErrnoError(errno, path_);
    return {};
  }

 private:
  const std::string path_;
  UniqueFd fd_;
};

void Add(ReencryptionProgress& progress, const EncryptedFile::KeyUse& use, const Id& newest) {
  if (!use.has_header) return;
  const std::uint64_t current =
      use.previous.has_value() ? std::min(use.watermark, use.size) : use.size;
  DekUse& under = progress.deks[use.dek_id];
  ++under.files;
  under.bytes += current;
  if (use.previous.has_value()) {
    DekUse& before = progress.deks[*use.previous];
    ++before.files;
    before.bytes += use.size - current;
  }
  progress.bytes_total += use.size;
  if (use.dek_id == newest) progress.bytes_done += current;
}

}  // namespace

Duration PauseAfter(std::uint64_t written, Duration took, std::uint64_t bytes_per_second) {
  const Duration wanted = std::chrono::nanoseconds(written * 1'000'000'000 / bytes_per_second);
  return std::clamp(4 * took, wanted, 10 * wanted);
}

std::string_view NameOf(ReencryptionState state) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "counting", "running", "checking", "retiring", "done", "stuck", "stopped"};
  return kNames[static_cast<std::size_t>(state)];
}

int ReencryptionProgress::percent() const {
  if (state == ReencryptionState::kDone) return 100;
  if (bytes_total == 0) return 0;
  return static_cast<int>(std::min<std::uint64_t>(99, bytes_done * 100 / bytes_total));
}

Reencryption::Reencryption(FileSource& files, const VolumeKeys& keys, const VolumePaths& paths,
                           Retire retire, ReencryptionOptions options)
    : files_(files),
      keys_(keys),
      paths_(paths),
      retire_(std::move(retire)),
      options_(options),
      bytes_per_second_(options.bytes_per_second) {}

Reencryption::~Reencryption() { Stop(); }

void Reencryption::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Reencryption::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

ReencryptionProgress Reencryption::Progress() const {
  std::lock_guard lock(mutex_);
  ReencryptionProgress progress = progress_;
  progress.bytes_per_second = bytes_per_second_;
  return progress;
}

void Reencryption::Enter(ReencryptionState state) {
  std::lock_guard lock(mutex_);
  progress_.state = state;
}

bool Reencryption::Pause(Duration duration) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, duration, [this] { return stopping_; });
}

Status Reencryption::CheckStopping() const {
  std::lock_guard lock(mutex_);
  if (!stopping_) return {};
  return Error(ErrorCode::kSealed, "the volume is being sealed");
}

void Reencryption::Run() {
  LogInfo("re-encrypt", "begun");
  const Status ended = RunPasses();
  std::lock_guard lock(mutex_);
  if (ended.ok()) {
    progress_.state = ReencryptionState::kDone;
    LogInfo("re-encrypt", "every file is under the newest DEK; the older ones are gone");
    return;
  }
  const bool stopped = ended.error().code() == ErrorCode::kSealed;
  progress_.state = stopped ? ReencryptionState::kStopped : ReencryptionState::kStuck;
  if (stopped) {
    unlink(paths_.reencrypt_journal().c_str());  // the last chunk is in its place
    return;
  }
  progress_.problem = ended.error().message();
  progress_.problem_code = ended.error().code();
  LogError("re-encrypt", progress_.problem);
}

Status Reencryption::RunPasses() {
  TRY(Count(ReencryptionState::kCounting));
  do {
    TRY(Work());
  } while (!TRY(NothingIsLeft()));
  // Every chunk is in its place: a record would say nothing more.
  if (unlink(paths_.reencrypt_journal().c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, paths_.reencrypt_journal());
  }
  const ReencryptionProgress progress = Progress();
  if (progress.unreadable > 0) {
    return Error(
        ErrorCode::kFileCorrupt,
        fmt::format("{} files cannot be read ({}): the older DEKs stay until they have been "
                    "restored or removed",
                    progress.unreadable, progress.problem));
  }
  return RetireUntilDone();
}

// Looks at everything once more. A pass during which names changed proves nothing: a file may have
// moved from where it was not yet to where it was already. After a few of those, names stand still
// for one pass.
Result<bool> Reencryption::NothingIsLeft() {
  constexpr int kPatience = 3;
  for (int attempt = 0; attempt < kPatience; ++attempt) {
    const std::uint64_t moves = files_.Moves();
    if (TRY(Count(ReencryptionState::kChecking)) > 0) return false;
    if (files_.Moves() == moves) return true;
  }
  const auto held = files_.HoldNames();
  return TRY(Count(ReencryptionState::kChecking)) == 0;
}

Result<std::uint64_t> Reencryption::Count(ReencryptionState state) {
  Enter(state);
  const Id newest = TRY(keys_.Active())->id;
  ReencryptionProgress counted;
  counted.state = state;
  std::uint64_t under_others = 0;
  TRY(files_.ForEach(
      [&](EncryptedFile& file, const std::string&) -> Status {
        TRY(CheckStopping());
        const EncryptedFile::KeyUse use = file.Keys();
        Add(counted, use, newest);
        const bool done = use.dek_id == newest && !use.previous.has_value() && !use.other_slot_old;
        if (use.has_header && !done) ++under_others;
        return {};
      },
      [&](const std::string& name, const Error& why) {
        ++counted.unreadable;
        counted.problem = name + ": " + why.message();
      }));
  std::lock_guard lock(mutex_);
  progress_ = std::move(counted);
  return under_others;
}

Status Reencryption::Work() {
  Enter(ReencryptionState::kRunning);
  FileJournal journal(paths_.reencrypt_journal());
  return files_.ForEach(
      [&](EncryptedFile& file, const std::string& name) -> Status {
        auto done = ReencryptFile(file, journal);
        return done.ok() ? done : Status(done.error().Because(name));
      },
      [](const std::string&, const Error&) {});
}

Status Reencryption::ReencryptFile(EncryptedFile& file, ReencryptJournal& journal) {
  for (;;) {
    TRY(CheckStopping());
    EncryptedFile::Step step;
    const BootTime begin = SystemClock().Boot();
    TRY(files_.Enter([&]() -> Status {
      step = TRY(file.ReencryptStep(journal, options_.chunk));
      return {};
    }));
    if (step.done) return {};
    {
      std::lock_guard lock(mutex_);
      progress_.bytes_done = std::min(progress_.bytes_done + step.covered, progress_.bytes_total);
    }
    const Duration took = SystemClock().Boot() - begin;
    if (!Pause(PauseAfter(step.written, took, bytes_per_second_))) return CheckStopping();
  }
}

// The KMS is needed for this; a volume that is open without it goes on without it.
Status Reencryption::RetireUntilDone() {
  Enter(ReencryptionState::kRetiring);
  CrashPoint("reencrypt.retiring");
  for (;;) {
    auto retired = retire_();
    if (retired.ok()) break;
    LogWarning("re-encrypt", "the older DEKs are still there: " + retired.error().message());
    {
      std::lock_guard lock(mutex_);
      progress_.problem = retired.error().message();
    }
    if (!Pause(options_.retry)) return CheckStopping();
  }
  if (unlink(paths_.reencrypt_rate().c_str()) != 0 && errno != ENOENT) {
    LogWarning("re-encrypt", "its rate stays on the disk: " + paths_.reencrypt_rate());
  }
  const Id newest = TRY(keys_.Active())->id;
  std::lock_guard lock(mutex_);
  progress_.problem.clear();
  std::erase_if(progress_.deks, [&](const auto& use) { return use.first != newest; });
  return {};
}

Status RememberRate(const VolumePaths& paths, std::uint64_t bytes_per_second) {
  return ReplaceFile(paths.reencrypt_rate(), AsBytes(std::to_string(bytes_per_second) + "\n"),
                     0600);
}

std::uint64_t RememberedRate(const VolumePaths& paths) {
  auto bytes = ReadRegularFile(paths.reencrypt_rate(), 64);
  if (!bytes.ok()) return kDefaultRate;
  std::uint64_t rate = 0;
  const std::string_view text = AsText(*bytes);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), rate);
  return parsed.ec == std::errc() && rate >= kLeastRate ? rate : kDefaultRate;
}

}  // namespace freehold
