#include "node/ancestors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <functional>

#include "base/posix_file.h"
#include "node/volume_paths.h"

namespace freehold {
namespace {

bool IsSame(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

Result<UniqueFd> NearestExisting(std::string path) {
  for (;;) {
    const int fd = open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) return UniqueFd(fd);
    if (errno != ENOENT && errno != ENOTDIR) return ErrnoError(errno, path);
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    const auto slash = path.rfind('/');
    path = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  }
}

// From the inside out, until one is found.
using Found = std::function<bool(const UniqueFd& directory, const struct stat& st)>;
Result<UniqueFd> FindUpwards(const std::string& path, const Found& found) {
  UniqueFd here = TRY(NearestExisting(path));
  struct stat st = {};
  if (fstat(here.get(), &st) != 0) return ErrnoError(errno, path);
  for (;;) {
    if (found(here, st)) return here;
    UniqueFd above(openat(here.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat st_above = {};
    if (!above.valid() || fstat(above.get(), &st_above) != 0) return ErrnoError(errno, path);
    if (IsSame(st, st_above)) return UniqueFd();  // the root
    here = std::move(above);
    st = st_above;
  }
}

bool HasVolume(const UniqueFd& directory) {
  const VolumePaths here(".");
  return faccessat(directory.get(), here.keyring().c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
         faccessat(directory.get(), here.data().c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

Result<bool> LiesIn(const std::string& path, const std::string& directory) {
  struct stat wanted = {};
  if (stat(directory.c_str(), &wanted) != 0) return ErrnoError(errno, directory);
  const UniqueFd found =
      TRY(FindUpwards(path, [&](const UniqueFd&, const auto& st) { return IsSame(st, wanted); }));
  return found.valid();
}

Result<std::string> VolumeAround(const std::string& path) {
  const UniqueFd found =
      TRY(FindUpwards(path, [](const UniqueFd& fd, const auto&) { return HasVolume(fd); }));
  if (!found.valid()) return std::string();
  char name[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(found.get());
  const ssize_t size = readlink(link.c_str(), name, sizeof name);
  if (size < 0) return ErrnoError(errno, path);
  return std::string(name, static_cast<std::size_t>(size));
}

}  // namespace freehold
