#include "node/keyring_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/crash_point.h"
#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold {
namespace {

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

}  // namespace

Status EraseOtherKeyrings(const VolumePaths& paths) {
  TRY(EraseKeyringFile(paths, paths.keyring_old()));
  return EraseKeyringFile(paths, paths.keyring_new());
}

Result<Bytes> ReadKeyringBytes(const VolumePaths& paths) {
  auto bytes = ReadRegularFile(paths.keyring(), 1 << 20);
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

Status ReplaceKeyring(const VolumePaths& paths, const Bytes& bytes) {
  TRY(EraseOtherKeyrings(paths));
  if (link(paths.keyring().c_str(), paths.keyring_old().c_str()) != 0) {
    return ErrnoError(errno, paths.keyring_old());
  }
  CrashPoint("rewrap.linked");
  auto replaced = ReplaceFile(paths.keyring(), bytes, 0600);
  if (!replaced.ok() && !IsInPlace(paths, bytes)) (void)EraseOtherKeyrings(paths);
  CrashPoint("rewrap.committed");
  return replaced;
}

bool IsInPlace(const VolumePaths& paths, const Bytes& bytes) {
  const auto present = ReadKeyringBytes(paths);
  return present.ok() && *present == bytes;
}

}  // namespace freehold
