#include "node/volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/crash_point.h"
#include "fmt/format.h"

namespace freehold {
namespace {

// Absent, or a directory with nothing in it.
Result<bool> IsAbsentOrEmpty(const std::string& directory) {
  DIR* open = opendir(directory.c_str());
  if (open == nullptr) {
    if (errno == ENOENT) return true;
    return ErrnoError(errno, directory);
  }
  bool empty = true;
  while (const dirent* entry = readdir(open)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") empty = false;
  }
  closedir(open);
  return empty;
}

Result<UniqueFd> TakeLock(const VolumePaths& paths) {
  UniqueFd fd = TRY(OpenFile(paths.lock(), O_RDWR | O_CREAT, 0600));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Error(ErrorCode::kBusy,
                   fmt::format("the volume {} is open in another process", paths.directory));
    }
    return ErrnoError(errno, paths.lock());
  }
  return fd;
}

// Overwrites a keyring's bytes in place before its name goes, so that no wrapping in it is left in
// its blocks.
Status EraseKeyringFile(const VolumePaths& paths, const std::string& path) {
  struct stat old = {};
  struct stat current = {};
  if (stat(path.c_str(), &old) != 0) {
    return errno == ENOENT ? Status{} : ErrnoError(errno, path);
  }
  if (stat(paths.keyring().c_str(), &current) != 0) return ErrnoError(errno, paths.keyring());
  TRY(SyncDirectory(paths.meta()));  // the disk must know the present one by its name first
  // Still the same file: the rotation never came to its rename, and this name is only a second one.
  if (old.st_ino != current.st_ino) {
    UniqueFd fd = TRY(OpenFile(path, O_WRONLY));
    TRY(WriteAll(fd.get(), Bytes(static_cast<std::size_t>(old.st_size))));
    if (fsync(fd.get()) != 0) return ErrnoError(errno, path);
    CrashPoint("rewrap.zeroed");
  }
  if (unlink(path.c_str()) != 0) return ErrnoError(errno, path);
  return SyncDirectory(paths.meta());
}

// What a rotation leaves, or one that was cut short left: the keyring before it, and one that never
// took its place. Found at a later opening, the work is finished then.
Status EraseOtherKeyrings(const VolumePaths& paths) {
  TRY(EraseKeyringFile(paths, paths.keyring_old()));
  return EraseKeyringFile(paths, paths.keyring_new());
}

Result<Bytes> ReadKeyringBytes(const VolumePaths& paths) {
  auto bytes = ReadFile(paths.keyring(), 1 << 20);
  if (bytes.ok()) return bytes;
  if (bytes.error().code() != ErrorCode::kNotFound) return bytes;
  if (!PathExists(paths.directory)) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no volume at {}", paths.directory));
  }
  if (!PathExists(paths.meta())) {
    return Error(ErrorCode::kNotFound, fmt::format("{} is not a volume", paths.directory));
  }
  return Error(ErrorCode::kKeyringCorrupt,
               fmt::format("the volume {} has lost its keyring ({}); restore it from a copy",
                           paths.directory, paths.keyring()));
}

Result<Bytes> NewKeyring(const CreateOptions& options, KeyProviderFactory& factory,
                         const Id& volume_id, const Clock& clock, Pin* pin) {
  const Kek kek = Kek::Random();
  auto provider = factory.NewProvider(options.access);
  EncryptionContext context = options.context;
  context["freehold:purpose"] = "kek";
  context["freehold:volume"] = HexEncode(volume_id);
  auto wrapped = WrapCanary(*provider, options.access, context, clock.Wall());
  if (!wrapped) return wrapped.error().ToError();
  if (auto done = WrapKek(*provider, kek, *wrapped); !done) return done.error().ToError();
  Keyring keyring;
  keyring.volume_id = volume_id;
  keyring.kek_id = kek.id();
  keyring.cipher = options.cipher;
  keyring.created = clock.Wall();
  keyring.keks.push_back(std::move(*wrapped));
  keyring.deks.push_back(TRY(WrapDek(kek, volume_id, RandomDek(1), clock.Wall())));
  *pin = Pin{volume_id, kek.id(), keyring.generation, {options.access}, false};
  return EncodeKeyring(keyring, kek);
}

// Of two creations at once in one directory, the second is told so.
Result<UniqueFd> HoldNewDirectory(const std::string& directory) {
  UniqueFd fd = TRY(OpenFile(directory, O_RDONLY | O_DIRECTORY));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return ErrnoError(errno, directory);
  return Error(ErrorCode::kBusy,
               fmt::format("another process is making a volume in {}", directory));
}

Status CheckFree(const VolumePaths& paths) {
  if (PathExists(paths.keyring())) {
    return Error(ErrorCode::kAlreadyExists, fmt::format("{} is a volume already", paths.directory));
  }
  if (TRY(IsAbsentOrEmpty(paths.directory))) return {};
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("{} is not empty; a volume is made in a new or empty directory",
                           paths.directory));
}

Status WriteNewVolume(const VolumePaths& paths, const PinStore& pins, const Id& volume_id,
                      const Bytes& keyring) {
  TRY(MakeDirectories(paths.meta(), 0700));
  CrashPoint("create.directories");
  TRY(MakeDirectories(paths.data(), 0755));
  TRY(SyncDirectory(paths.directory));
  CrashPoint("create.data");
  TRY(pins.SaveVolumeAt(paths.directory, volume_id));
  return ReplaceFile(paths.keyring(), keyring, 0600);
}

void TakeBack(const VolumePaths& paths, bool directory_was_there) {
  unlink(paths.keyring_new().c_str());
  rmdir(paths.data().c_str());
  rmdir(paths.meta().c_str());
  if (!directory_was_there) rmdir(paths.directory.c_str());
}

}  // namespace

Status CreateVolume(const CreateOptions& options, KeyProviderFactory& factory, const PinStore& pins,
                    const Clock& clock) {
  const VolumePaths paths(options.directory);
  const bool was_there = PathExists(options.directory);
  UniqueFd held;
  if (was_there && !PathExists(paths.keyring())) {
    held = TRY(HoldNewDirectory(options.directory));
    // What a creation that was killed left behind is no volume and holds no data.
    if (!PathExists(paths.keyring()) && PathExists(paths.meta())) TakeBack(paths, true);
  }
  TRY(CheckFree(paths));
  Pin pin;
  const Bytes keyring = TRY(NewKeyring(options, factory, RandomId(), clock, &pin));
  // The pin first: without a keyring it is harmless, and a keyring without it would be refused.
  TRY(pins.Save(pin));
  CrashPoint("create.pinned");
  if (!was_there) {
    TRY(MakeDirectories(paths.directory, 0755));
    held = TRY(HoldNewDirectory(options.directory));
    TRY(CheckFree(paths));
  }
  auto written = WriteNewVolume(paths, pins, pin.volume_id, keyring);
  if (!written.ok()) TakeBack(paths, was_there);
  return written;
}

Status CheckAllowed(const std::vector<std::string>& allow_keys, std::string_view key_uri) {
  for (const std::string& pattern : allow_keys) {
    if (fnmatch(pattern.c_str(), std::string(key_uri).c_str(), 0) == 0) return {};
  }
  if (allow_keys.empty()) return {};
  return Error(ErrorCode::kKeyringRefused,
               fmt::format("the configuration (allow-key) does not allow the key {}", key_uri));
}

Result<Keyring> ReadKeyring(const VolumePaths& paths) {
  return DecodeKeyringUnverified(TRY(ReadKeyringBytes(paths)));
}

Result<std::unique_ptr<Volume>> Volume::Lock(const std::string& directory,
                                             const OpenOptions& options, const PinStore& pins) {
  std::unique_ptr<Volume> volume(new Volume(VolumePaths(directory), pins));
  TRY(ReadKeyringBytes(volume->paths_));  // a clear sentence before a lock file is made
  volume->lock_ = TRY(TakeLock(volume->paths_));
  volume->keyring_bytes_ = TRY(ReadKeyringBytes(volume->paths_));
  volume->keyring_ = TRY(DecodeKeyringUnverified(volume->keyring_bytes_));
  const std::string fingerprint = KeyringFingerprint(volume->keyring_bytes_);

  const std::optional<Id> here = TRY(pins.VolumeAt(directory));
  if (here.has_value() && *here != volume->keyring_.volume_id &&
      fingerprint != options.accept_keyring) {
    return Error(
        ErrorCode::kKeyringRefused,
        fmt::format("the keyring is of another volume than {}, which was here before; if "
                    "you put it there yourself, accept it by name with --accept-keyring {}",
                    HexEncode(*here), fingerprint));
  }
  std::optional<Pin> pin = TRY(pins.Load(volume->keyring_.volume_id));
  if (!pin.has_value()) {
    if (!options.access.has_value()) {
      return Error(ErrorCode::kKeyringRefused,
                   fmt::format("this machine does not know the volume {} (keyring {}); name the "
                               "key that it may use with --key",
                               HexEncode(volume->keyring_.volume_id), fingerprint));
    }
    pin = Pin{volume->keyring_.volume_id, std::nullopt, 0, {}, false};
  }
  // What is named now comes first: its external id counts, not one remembered for the same key.
  if (options.access.has_value()) pin->allowed.insert(pin->allowed.begin(), *options.access);
  TRY(CheckAgainstPin(*pin, volume->keyring_, fingerprint, options.accept_keyring));
  TRY(CheckAllowed(options.allow_keys, volume->keyring_.keks.front().key_uri));
  volume->allow_keys_ = options.allow_keys;
  volume->access_ = TRY(AllowedAccess(*pin, volume->keyring_.keks.front()));
  volume->pin_ = std::move(*pin);
  return volume;
}

KmsResult<VolumeKeys> Volume::Open(KeyProvider& provider) {
  auto kek = UnwrapKek(provider, wrapped_kek());
  if (!kek) return tl::unexpected(kek.error());
  const auto data_failure = [](const Error& error) {
    return tl::unexpected(LocalFailure(KmsClass::kData, error));
  };
  if (auto fits = VerifyKeyring(keyring_bytes_, keyring_, *kek); !fits.ok()) {
    return data_failure(fits.error());
  }
  auto keys = VolumeKeys::Unwrap(keyring_, *kek);
  if (!keys.ok()) return data_failure(keys.error());
  // Proven by its MAC: this is now the newest keyring seen, and its key the only one allowed.
  pin_ = Pin{keyring_.volume_id, keyring_.kek_id, keyring_.generation, {access_}, pin_.revoked};
  if (auto saved = pins_.Save(pin_); !saved.ok()) return data_failure(saved.error());
  if (auto saved = pins_.SaveVolumeAt(paths_.directory, keyring_.volume_id); !saved.ok()) {
    return data_failure(saved.error());
  }
  if (auto erased = EraseOtherKeyrings(paths_); !erased.ok()) return data_failure(erased.error());
  return std::move(*keys);
}

Status Volume::Rewrap(const KeyAccess& new_access, KeyProviderFactory& factory,
                      const Clock& clock) {
  TRY(CheckAllowed(allow_keys_, new_access.uri.text()));
  auto old_provider = factory.NewProvider(access_);
  auto new_provider = factory.NewProvider(new_access);
  // Both keys are checked before anything is asked of either with the KEK.
  if (auto probed = ProbeCanary(*old_provider, wrapped_kek()); !probed) {
    return probed.error().ToError().Because("the present key");
  }
  auto wrapped = WrapCanary(*new_provider, new_access, wrapped_kek().context, clock.Wall());
  if (!wrapped) return wrapped.error().ToError().Because("the new key");

  auto kek = UnwrapKek(*old_provider, wrapped_kek());
  if (!kek) return kek.error().ToError().Because("the present key");
  TRY(VerifyKeyring(keyring_bytes_, keyring_, *kek));
  if (auto done = WrapKek(*new_provider, *kek, *wrapped); !done) {
    return done.error().ToError().Because("the new key");
  }
  CrashPoint("rewrap.wrapped");

  Keyring next = keyring_;
  next.generation += 1;
  next.keks = {std::move(*wrapped)};
  Bytes bytes = EncodeKeyring(next, *kek);
  // Both keys are allowed until the new keyring is on the disk.
  const KeyAccess old_access = access_;
  Pin both = pin_;
  both.allowed = {access_, new_access};
  TRY(pins_.Save(both));
  CrashPoint("rewrap.pinned");
  const auto committed = CommitKeyring(bytes);
  if (!committed.ok() && !IsInPlace(bytes)) return committed;
  keyring_bytes_ = std::move(bytes);
  keyring_ = std::move(next);
  access_ = new_access;
  if (!committed.ok()) {
    pin_.allowed = {new_access, old_access};  // as it was saved: a crash may bring the old one back
    return committed.error().Because(
        "the new keyring is in place, but the disk did not confirm it; keep both keys until the "
        "volume has been opened again");
  }
  pin_.generation = keyring_.generation;
  pin_.allowed = {new_access};
  auto saved = pins_.Save(pin_);
  CrashPoint("rewrap.promoted");
  TRY(EraseOtherKeyrings(paths_));  // even if the pin could not be saved: it allows both keys still
  return saved;
}

Status Volume::SetRevoked(bool revoked) {
  if (pin_.revoked == revoked) return {};
  Pin next = pin_;
  next.revoked = revoked;
  TRY(pins_.Save(next));
  pin_ = std::move(next);
  return {};
}

Status Volume::CommitKeyring(const Bytes& bytes) {
  TRY(EraseOtherKeyrings(paths_));
  if (link(paths_.keyring().c_str(), paths_.keyring_old().c_str()) != 0) {
    return ErrnoError(errno, paths_.keyring_old());
  }
  CrashPoint("rewrap.linked");
  auto replaced = ReplaceFile(paths_.keyring(), bytes, 0600);
  if (!replaced.ok() && !IsInPlace(bytes)) (void)EraseOtherKeyrings(paths_);
  CrashPoint("rewrap.committed");
  return replaced;
}

// A rename may have happened although the sync after it failed.
bool Volume::IsInPlace(const Bytes& bytes) const {
  const auto present = ReadKeyringBytes(paths_);
  return present.ok() && *present == bytes;
}

}  // namespace freehold
