#include "node/volume_daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <future>

#include "base/locked_arena.h"
#include "base/log.h"
#include "fmt/format.h"
#include "node/open_volume.h"
#include "node/recovery.h"

namespace freehold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kTick = milliseconds(250);
constexpr Duration kKillGrace = seconds(5);
// Longer than all deadlines of a seal together: a seal that is not done by then hangs.
constexpr Duration kSealOverdue = seconds(40);
constexpr Duration kProbeOverdue = seconds(5);

// syncfs of the backing file system on a thread that may be left behind when a disk hangs.
bool SyncBacking(const std::string& directory, Duration deadline) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  std::packaged_task<bool()> sync([fd] {
    const bool ok = syncfs(fd) == 0;
    close(fd);
    return ok;
  });
  auto done = sync.get_future();
  std::thread(std::move(sync)).detach();
  return done.wait_for(deadline) == std::future_status::ready && done.get();
}

bool KillAndWait(pid_t pid, Duration deadline) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) return true;
  syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  pollfd waiting{pidfd.get(), POLLIN, 0};
  return poll(&waiting, 1,
              static_cast<int>(std::chrono::duration_cast<milliseconds>(deadline).count())) == 1;
}

}  // namespace

VolumeDaemon::VolumeDaemon(std::unique_ptr<Volume> volume, KeyProviderFactory& factory,
                           DaemonOptions options, const Clock& clock)
    : volume_(std::move(volume)),
      factory_(factory),
      options_(std::move(options)),
      clock_(clock),
      custody_(options_.custody, clock),
      keyring_(volume_->keyring()),
      access_(volume_->access()) {
  options_.on_settings(options_.custody);
}

VolumeDaemon::~VolumeDaemon() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (ticker_.joinable()) ticker_.join();
  if (version_watch_.joinable()) version_watch_.join();
  control_.reset();
}

Status VolumeDaemon::Start() {
  if (volume_->keyring().cipher == Cipher::kNull && !options_.null_cipher_allowed) {
    return Error(ErrorCode::kInvalidArgument,
                 "this volume is not encrypted (null cipher, for benchmarks); mount it with "
                 "--allow-null-cipher if that is meant");
  }
  if (volume_->revoked()) {
    if (!options_.wait_for_key) {
      return Error(ErrorCode::kSealed,
                   "the volume was sealed by order; 'freehold volume open' takes that back");
    }
    custody_.RequestSeal(SealReason::kRevoked);
    LogWarning("custody", "sealed by order: waiting for 'freehold volume open'");
  } else {
    custody_.RequestOpen();
    if (auto opened = Open(); !opened) {
      custody_.OpenFailed(opened.error());
      if (!options_.wait_for_key || opened.error().local_code.has_value()) {
        return opened.error().ToError();
      }
      LogWarning("custody", "sealed: " + opened.error().Sentence());
    }
  }
  control_ = TRY(ControlServer::Start(
      volume_->paths().control_socket(),
      [this](const boost::json::object& request, ControlConnection& connection) {
        return Handle(request, connection);
      }));
  ticker_ = std::thread([this] { Tick(); });
  version_watch_ = std::thread([this] { WatchKeyVersions(); });
  return {};
}

Status VolumeDaemon::Run() {
  for (;;) {
    CustodyAction action;
    {
      std::unique_lock lock(mutex_);
      // Asked while an opening was under way, which has had its way since.
      if (stopping_ && custody_.state() != CustodyState::kSealing) {
        custody_.RequestSeal(SealReason::kStopped);
      }
      action = custody_.Next();
      if (stopping_ && custody_.state() == CustodyState::kSealed) {
        if (lost_) return Error(ErrorCode::kIo, "the mount or its guardian was taken away");
        return {};
      }
      if (action.kind == CustodyAction::Kind::kWait) {
        const std::uint64_t seen = revision_;
        const Duration left = std::max<Duration>(action.until - clock_.Boot(), Duration(0));
        changed_.wait_for(lock, std::min<Duration>(left, seconds(1)),
                          [&] { return revision_ != seen; });
        continue;
      }
    }
    switch (action.kind) {
      case CustodyAction::Kind::kProbe:
        Probe();
        break;
      case CustodyAction::Kind::kOpen: {
        auto opened = Open();
        if (opened) break;
        LogWarning("custody", "opening failed: " + opened.error().Sentence());
        std::lock_guard lock(mutex_);
        custody_.OpenFailed(opened.error());
        NoteFailure(opened.error());
        Changed();
        break;
      }
      case CustodyAction::Kind::kSeal:
        Seal(action.reason);
        break;
      case CustodyAction::Kind::kWait:
        break;
    }
  }
}

void VolumeDaemon::RequestStop() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  custody_.RequestSeal(SealReason::kStopped);
  Changed();
}

// Under mutex_.
void VolumeDaemon::Changed() {
  *options_.interrupt =
      stopping_ || orders_waiting_ > 0 || custody_.state() == CustodyState::kSealing;
  ++revision_;
  changed_.notify_all();
}

void VolumeDaemon::Probe() {
  std::unique_lock lock(mutex_);
  const CustodyState before = custody_.state();
  const WrappedKek wrapped = keyring_.keks.front();
  if (prober_ == nullptr || prober_access_ != access_ || prober_settings_ != settings_changes_) {
    prober_access_ = access_;
    prober_settings_ = settings_changes_;
    prober_ = factory_.NewProvider(access_);
  }
  const std::uint64_t number = ++probes_begun_;
  lock.unlock();
  const BootTime sent = clock_.Boot();
  const KmsResult<void> probed = ProbeCanary(*prober_, wrapped);
  lock.lock();
  probes_ended_ = number;
  changed_.notify_all();
  if (stopping_ || custody_.state() != before) return;  // an order came first
  if (wrapped.kek.ciphertext != keyring_.keks.front().kek.ciphertext) {
    return;  // rotated meanwhile: what the old key says counts no more; the loop asks the new one
  }
  if (probed) {
    custody_.ProbeSucceeded(sent);
    deletion_at_.clear();
  } else {
    LogWarning("custody", fmt::format("probe: {}: {}", NameOf(probed.error().kms_class),
                                      probed.error().Sentence()));
    custody_.ProbeFailed(probed.error());
    NoteFailure(probed.error());
  }
  if (custody_.state() != before) {
    LogInfo("custody", fmt::format("{} -> {}", NameOf(before), NameOf(custody_.state())));
  }
  Changed();
}

// A key that is about to be deleted: these say when, if they are asked. Under mutex_.
void VolumeDaemon::NoteFailure(const KmsFailure& failure) {
  const KmsType type = access_.uri.type();
  const bool is_said = type == KmsType::kAwsKms || type == KmsType::kGcpCloudKms;
  if (failure.meaning != KmsMeaning::kKeyPendingDeletion || !is_said) return;
  deletion_wanted_ = deletion_at_.empty();
}

KmsResult<void> VolumeDaemon::Open() {
  BootTime sent;
  KmsResult<VolumeKeys> keys;
  {
    std::lock_guard lock(volume_mutex_);
    auto provider = factory_.NewProvider(volume_->access());
    sent = clock_.Boot();
    keys = volume_->Open(*provider);
  }
  if (!keys) return tl::unexpected(keys.error());
  auto mounted = MountWith(std::move(*keys));
  if (!mounted.ok()) {
    return tl::unexpected(LocalFailure(KmsClass::kAmbiguous, mounted.error()));
  }
  std::lock_guard open_lock(open_mutex_);
  open_ = std::move(*mounted);
  if (volume_->keyring().deks.size() > 1) {  // one was cut short
    StartReencryption(open_, RememberedRate(volume_->paths()));
  }
  std::lock_guard lock(mutex_);
  custody_.Opened(sent);
  LogInfo("custody", fmt::format("open at {}", options_.mount_point));
  Changed();
  return {};
}

std::shared_ptr<VolumeDaemon::OpenVolume> VolumeDaemon::CurrentlyOpen() {
  std::lock_guard lock(open_mutex_);
  return open_;
}

Result<std::shared_ptr<VolumeDaemon::OpenVolume>> VolumeDaemon::MountWith(VolumeKeys keys) {
  auto opening = std::make_shared<OpenVolume>(std::move(keys));
  const bool unclean = WasStoppedUncleanly(volume_->paths());
  if (unclean || PathExists(volume_->paths().reencrypt_journal())) {
    TRY(RecoverAfterUncleanStop(volume_->paths(), opening->keys));
  }
  TRY(MarkOpen(volume_->paths()));
  fuse::MountOptions mount_options;
  mount_options.backing_directory = volume_->paths().data();
  mount_options.mount_point = options_.mount_point;
  mount_options.source = volume_->paths().directory;
  mount_options.workers = options_.workers;
  mount_options.direct = options_.direct;
  mount_options.reserve =
      options_.reserve.value_or(fuse::Mount::DefaultReserve(mount_options.backing_directory));
  auto mounted = fuse::Mount::Start(mount_options, opening->layer);
  if (!mounted.ok()) {
    if (!unclean) Close(true);  // nothing was served
    return mounted.error();
  }
  opening->mount = std::move(*mounted);
  opening->guardian = TRY(GuardianLink::Start({options_.mount_point}, opening->mount->device_fd()));
  opening->mount->ShareHighestNodeId(opening->guardian->highest_node_id());
  return opening;
}

void VolumeDaemon::Seal(SealReason reason) {
  LogWarning("custody", fmt::format("sealing: {}", NameOf(reason)));
  prober_.reset();  // its connections too
  StopDatabase();
  std::shared_ptr<OpenVolume> closing = CurrentlyOpen();
  std::optional<SealReport> report;
  bool synced = true;
  if (closing != nullptr) {
    closing->leaving = true;  // ends a verification at its next file
    {
      std::lock_guard lock(mutex_);
      sealing_since_ = clock_.Boot();
    }
    const auto wipe = [&] {
      if (closing->reencryption != nullptr) closing->reencryption->Stop();
      std::lock_guard verifying(closing->verifying);
      closing->keys.Wipe();
    };
    report = SealMount(*closing->mount, SealDeadlines{}, wipe, clock_);
    {
      std::lock_guard lock(open_mutex_);
      open_.reset();  // no more heartbeats
    }
    closing->guardian->Dismiss();
    closing.reset();
    synced = SyncBacking(volume_->paths().data(), seconds(10)) && report->flushed;
    Close(synced);
    LogWarning("custody",
               fmt::format("fenced after {}, sealed after {}; pages left in the cache: {}",
                           FormatDuration(report->until_fenced),
                           FormatDuration(report->until_sealed), report->cached_pages));
  }
  std::lock_guard lock(mutex_);
  if (report.has_value()) last_seal_ = report;
  sealing_since_.reset();
  custody_.Sealed();
  Changed();
}

// Under open_mutex_.
void VolumeDaemon::StartReencryption(const std::shared_ptr<OpenVolume>& open,
                                     std::uint64_t bytes_per_second) {
  open->files = std::make_unique<MountedFiles>(*open->mount, volume_->paths());
  open->reencryption = std::make_unique<Reencryption>(
      *open->files, open->keys, volume_->paths(),
      [this, volume = open.get()] { return RetireOldDeks(*volume); },
      ReencryptionOptions{.bytes_per_second = bytes_per_second});
  open->reencryption->Start();
}

Status VolumeDaemon::RetireOldDeks(OpenVolume& open) {
  std::lock_guard volume_lock(volume_mutex_);
  VolumeKeys keys = TRY(volume_->DropOldDeks(factory_));
  KeyringChanged();
  return open.keys.Replace(std::move(keys));
}

// Under volume_mutex_.
void VolumeDaemon::KeyringChanged() {
  std::lock_guard lock(mutex_);
  keyring_ = volume_->keyring();
  access_ = volume_->access();
  Changed();
}

void VolumeDaemon::Close(bool everything_synced) {
  if (!everything_synced) {
    LogWarning("custody",
               "not everything could be synced: the next opening will look for files "
               "that were lost half way");
    return;
  }
  if (auto closed = MarkClosed(volume_->paths()); !closed.ok()) {
    LogWarning("custody", closed.error().message());
  }
}

// A supervisor is asked and given its time; a database that will not stop is killed.
void VolumeDaemon::StopDatabase() {
  std::unique_lock lock(mutex_);
  database_stopped_ = false;
  Changed();
  if (supervised_) {
    changed_.wait_for(lock, custody_.settings().stop_timeout,
                      [this] { return database_stopped_ || !supervised_; });
  }
  const pid_t pid = std::exchange(protected_pid_, 0);
  database_ = "down";
  if (pid == 0) return;
  lock.unlock();
  if (!KillAndWait(pid, kKillGrace)) {
    LogError("custody", fmt::format("the database (process {}) could not be reaped", pid));
  }
}

// Heartbeats for the guardian, pauses of the machine, and mounts that others took away.
void VolumeDaemon::Tick() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kTick,
                        [this] { return stopping_ && custody_.state() == CustodyState::kSealed; });
      if (stopping_ && custody_.state() == CustodyState::kSealed) return;
    }
    const auto open = CurrentlyOpen();
    std::lock_guard lock(mutex_);
    if (custody_.MustNotServe()) Changed();  // wakes the loop for the probe that is due
    if (open == nullptr || Hangs()) continue;
    open->mount->SetHeld(custody_.MustNotServe());
    const bool guarded = open->guardian->Heartbeat();
    if (open->leaving || stopping_ || (guarded && !open->mount->ended())) continue;
    LogError("custody", guarded ? "the mount was taken away" : "the guardian is gone");
    lost_ = stopping_ = true;
    custody_.RequestSeal(SealReason::kStopped);
    Changed();
  }
}

// A loop that hangs past its lease, or in a seal, gets no more heartbeats: the guardian acts.
// Under mutex_.
bool VolumeDaemon::Hangs() const {
  const Duration probe = custody_.settings().request_timeout + kProbeOverdue;
  if (custody_.LeaseExpiredFor() > probe) return true;
  return sealing_since_.has_value() && clock_.Boot() - *sealing_since_ > kSealOverdue;
}

}  // namespace freehold
