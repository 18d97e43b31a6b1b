#include "cli/transfer_places.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <filesystem>

#include "fmt/format.h"
#include "node/ancestors.h"
#include "node/tree_walk.h"

namespace freehold::cli {
namespace {

namespace fs = std::filesystem;

Error Refused(const std::string& what, const std::string& why) {
  return Error(ErrorCode::kInvalidArgument, what + " " + why);
}

Result<dev_t> DeviceOf(const UniqueFd& fd, const std::string& path) {
  struct stat st = {};
  if (fstat(fd.get(), &st) != 0) return ErrnoError(errno, path);
  return st.st_dev;
}

// `path` is its name in a sentence.
Result<UniqueFd> OpenChild(const UniqueFd& parent, const std::string& name, const std::string& path,
                           bool make) {
  if (make && mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoError(errno, path);
  }
  UniqueFd fd(openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.valid()) return fd;
  const int failure = errno;
  struct stat st = {};
  if (fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return failure == ENOENT ? Error(ErrorCode::kNotFound, path + " does not exist")
                             : ErrnoError(failure, path);
  }
  if (S_ISLNK(st.st_mode)) return Refused(path, "is a symbolic link, which may leave the volume");
  if (!S_ISDIR(st.st_mode)) return Refused(path, "is not a directory");
  return ErrnoError(failure, path);
}

}  // namespace

Result<std::string> PlaceBelow(const std::string& path) {
  if (path.size() >= PATH_MAX) return Error(ErrorCode::kInvalidArgument, "a path is too long");
  fs::path place;
  for (const fs::path& part : fs::path(path)) {
    if (part == ".." || fs::path(path).is_absolute()) {
      return Refused("'" + path + "'", "is not a path below the volume's root");
    }
    if (part != "." && !part.empty()) place /= part;
  }
  return place.string();
}

Result<UniqueFd> OpenPlace(const std::string& root, const std::string& place, bool make) {
  UniqueFd here = TRY(OpenFile(root, O_RDONLY | O_DIRECTORY));
  const dev_t device = TRY(DeviceOf(here, root));
  std::string path = root;
  for (const fs::path& part : fs::path(place)) {
    path += "/" + part.string();
    here = TRY(OpenChild(here, part.string(), path, make));
    if (TRY(DeviceOf(here, path)) != device) {
      return Refused(path, "is where another file system is mounted");
    }
  }
  return here;
}

Result<std::string> FuturePath(const std::string& path) {
  std::error_code failure;
  fs::path absolute = fs::absolute(path, failure);
  if (!failure) absolute = fs::weakly_canonical(absolute, failure);
  if (failure) return ErrnoError(failure.value(), path);
  return (absolute.has_filename() ? absolute : absolute.parent_path()).string();
}

Status CheckDirectory(const std::string& path) {
  std::error_code failure;
  if (fs::is_directory(path, failure)) return {};
  if (!PathExists(path)) return Error(ErrorCode::kNotFound, path + " does not exist");
  return Refused(path, "is not a directory");
}

Status CheckApart(const std::string& what, const std::string& path, const std::string& directory_is,
                  const std::string& directory) {
  if (TRY(LiesIn(path, directory))) return Refused(what, "lies inside " + directory_is);
  if (PathExists(path) && TRY(LiesIn(directory, path))) {
    return Refused(directory_is, "lies inside " + what);
  }
  return {};
}

Status CheckOutsideVolumes(const std::string& what, const std::string& path) {
  const std::string volume = TRY(VolumeAround(path));
  return volume.empty() ? Status{}
                        : Refused(what, "lies inside the directory of the volume " + volume);
}

Status DropCached(const std::string& tree) {
  return WalkRegularFiles(tree, [](const FoundFile& found) -> Status {
    auto fd = found.Open(O_RDONLY | O_NONBLOCK);
    if (!fd.ok() && fd.error().code() == ErrorCode::kNotFound) return {};  // gone meanwhile
    if (!fd.ok()) return fd.error();
    if (const int failure = posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED)) {
      return ErrnoError(failure, found.relative);
    }
    return {};
  });
}

}  // namespace freehold::cli
