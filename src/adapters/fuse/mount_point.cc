#include "adapters/fuse/mount_point.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>

namespace freehold::fuse {
namespace {

// mountinfo writes blanks and backslashes as three octal digits.
std::string Unescape(const std::string& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      text.push_back(static_cast<char>(std::stoi(field.substr(i + 1, 3), nullptr, 8)));
      i += 3;
    } else {
      text.push_back(field[i]);
    }
  }
  return text;
}

struct MountLine {
  std::string path;
  std::string type;
  std::string source;
};

// From the kernel's list, never by looking at a path: a stopped daemon would not answer.
std::vector<MountLine> AllMounts() {
  std::ifstream list("/proc/self/mountinfo");
  std::vector<MountLine> mounts;
  for (std::string line; std::getline(list, line);) {
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;
    MountLine mount;
    mount.path = Unescape(field);
    while (fields >> field && field != "-") {
    }
    fields >> mount.type >> field;
    mount.source = Unescape(field);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::optional<MountLine> FindMount(const std::string& path) {
  std::optional<MountLine> found;
  for (MountLine& mount : AllMounts()) {
    if (mount.path == path) found = std::move(mount);  // the last one lies on top
  }
  return found;
}

}  // namespace

Status CheckMountPoint(const std::string& path) {
  if (FindMount(path).has_value()) {
    return Error(ErrorCode::kBusy,
                 "mount point " + path + " is in use: something is mounted there");
  }
  struct stat st = {};
  if (stat(path.c_str(), &st) != 0) return ErrnoError(errno, "mount point " + path);
  if (!S_ISDIR(st.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, "mount point " + path + " is not a directory");
  }
  return {};
}

void AbortMountPoint(const std::string& mount_point) {
  if (!IsMountPoint(mount_point)) return;
  // MNT_FORCE aborts the connection even when the mount itself stays busy; then it is detached.
  if (umount2(mount_point.c_str(), MNT_FORCE) == 0) return;
  umount2(mount_point.c_str(), MNT_DETACH);
}

bool IsMountPoint(const std::string& path) { return FindMount(path).has_value(); }

std::string SourceOfMount(const std::string& path) {
  const auto mount = FindMount(path);
  return mount.has_value() && mount->type == kFileSystemType ? mount->source : "";
}

std::vector<std::string> FreeholdMounts() {
  std::vector<std::string> paths;
  for (MountLine& mount : AllMounts()) {
    if (mount.type == kFileSystemType) paths.push_back(std::move(mount.path));
  }
  return paths;
}

}  // namespace freehold::fuse
