// CreateVolume: node/volume.h.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/crash_point.h"
#include "base/file_lock.h"
#include "fmt/format.h"
#include "node/ancestors.h"
#include "node/volume.h"

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
  *pin = Pin{volume_id, kek.id(), std::nullopt, keyring.generation, {options.access}, false};
  return EncodeKeyring(keyring, kek);
}

// Of two creations at once in one directory, the second is told so.
Result<UniqueFd> HoldNewDirectory(const std::string& directory) {
  UniqueFd fd = TRY(OpenFile(directory, O_RDONLY | O_DIRECTORY));
  TRY(LockAlone(fd, directory, fmt::format("another process is making a volume in {}", directory)));
  return fd;
}

Status CheckFree(const VolumePaths& paths) {
  if (PathExists(paths.keyring())) {
    return Error(ErrorCode::kAlreadyExists, fmt::format("{} is a volume already", paths.directory));
  }
  const std::string around = TRY(VolumeAround(paths.directory));
  if (!around.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} lies inside the volume {}", paths.directory, around));
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
  CrashPoint("create.placed");
  return ReplaceFile(paths.keyring(), keyring, 0600);
}

void TakeBack(const VolumePaths& paths, bool directory_was_there) {
  unlink(paths.keyring_new().c_str());
  rmdir(paths.data().c_str());
  rmdir(paths.meta().c_str());
  if (!directory_was_there) rmdir(paths.directory.c_str());
}

}  // namespace

bool IsUnfinished(const std::string& directory) {
  const VolumePaths paths(directory);
  if (PathExists(paths.keyring()) || !PathExists(paths.meta())) return false;
  const auto has_no_data = IsAbsentOrEmpty(paths.data());
  return has_no_data.ok() && *has_no_data;
}

Status CreateVolume(const CreateOptions& options, KeyProviderFactory& factory, const PinStore& pins,
                    const Clock& clock) {
  const VolumePaths paths(options.directory);
  const bool was_there = PathExists(options.directory);
  UniqueFd held;
  if (was_there && !PathExists(paths.keyring())) {
    held = TRY(HoldNewDirectory(options.directory));
    if (IsUnfinished(options.directory)) TakeBack(paths, true);
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

}  // namespace freehold
