#include "node/volume.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/statvfs.h>

#include "base/file_lock.h"
#include "fmt/format.h"
#include "node/keyring_file.h"

namespace freehold {
namespace {

bool IsOnReadOnlyFileSystem(const VolumePaths& paths) {
  struct statvfs st = {};
  return statvfs(paths.meta().c_str(), &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
}

// Where no lock file can be made, nobody else can make one either: its directory stands in for it.
Result<UniqueFd> OpenReadOnlyLock(const VolumePaths& paths) {
  const bool is_there = PathExists(paths.lock());
  return OpenFile(is_there ? paths.lock() : paths.meta(), O_RDONLY);
}

Result<UniqueFd> TakeLock(const VolumePaths& paths, bool read_only) {
  UniqueFd fd = read_only ? TRY(OpenReadOnlyLock(paths))
                          : TRY(OpenFile(paths.lock(), O_RDWR | O_CREAT, 0600));
  TRY(LockAlone(fd, paths.lock(),
                fmt::format("the volume {} is open in another process", paths.directory)));
  return fd;
}

}  // namespace

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
  volume->read_only_ = IsOnReadOnlyFileSystem(volume->paths_);
  if (volume->read_only_ && !options.only_reads) {
    return Error(
        ErrorCode::kPermissionDenied,
        fmt::format("the volume {} is on a read-only file system, where it can be verified "
                    "but not opened: make that writable, or copy the volume",
                    directory));
  }
  volume->lock_ = TRY(TakeLock(volume->paths_, volume->read_only_));
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
    pin = Pin{volume->keyring_.volume_id, std::nullopt, std::nullopt, 0, {}, false};
  }
  // What is named now comes first: its external id counts, not one remembered for the same key.
  if (options.access.has_value()) pin->allowed.insert(pin->allowed.begin(), *options.access);
  TRY(CheckAgainstPin(*pin, volume->keyring_, fingerprint, options.accept_keyring));
  TRY(CheckAllowed(options.allow_keys, CanonicalKeyUri(volume->keyring_.keks.front().key_uri)));
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
  pin_ = Pin{keyring_.volume_id,  keyring_.kek_id, std::nullopt,
             keyring_.generation, {access_},       pin_.revoked};
  if (auto saved = pins_.Save(pin_); !saved.ok()) return data_failure(saved.error());
  if (auto saved = pins_.SaveVolumeAt(paths_.directory, keyring_.volume_id); !saved.ok()) {
    return data_failure(saved.error());
  }
  if (read_only_) return std::move(*keys);
  if (auto erased = EraseOtherKeyrings(paths_); !erased.ok()) return data_failure(erased.error());
  return std::move(*keys);
}

Status Volume::SetRevoked(bool revoked) {
  if (pin_.revoked == revoked) return {};
  Pin next = pin_;
  next.revoked = revoked;
  TRY(pins_.Save(next));
  pin_ = std::move(next);
  return {};
}

}  // namespace freehold
