#include "node/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

namespace freehold {
namespace {

constexpr std::size_t kLongestPath = 4000;  // below PATH_MAX

// openat2 has no wrapper in this libc.
int OpenWithoutLinks(int directory, const std::string& path, int flags) {
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
}

// Of any depth: a path that is too long to name is gone down in pieces.
Result<UniqueFd> OpenBelow(int root, std::string_view relative, int flags) {
  UniqueFd here;
  std::string_view left = relative;
  while (left.size() > kLongestPath) {
    const std::size_t slash = left.rfind('/', kLongestPath);
    const std::string piece(left.substr(0, slash));
    UniqueFd next(OpenWithoutLinks(here.valid() ? here.get() : root, piece, O_PATH | O_DIRECTORY));
    if (!next.valid()) return ErrnoError(errno, relative);
    here = std::move(next);
    left.remove_prefix(slash + 1);
  }
  const std::string last(left.empty() ? "." : left);
  UniqueFd fd(OpenWithoutLinks(here.valid() ? here.get() : root, last, flags));
  if (!fd.valid()) return ErrnoError(errno, relative);
  return fd;
}

struct Children {
  std::vector<std::string> directories;
  std::vector<std::string> files;
};

Result<Children> ReadChildren(UniqueFd directory, const std::string& relative) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(fdopendir(directory.get()), closedir);
  if (open == nullptr) return ErrnoError(errno, relative);
  const int fd = directory.Release();  // closed with `open`
  Children children;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(open.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    struct stat st = {};
    if (type == DT_UNKNOWN && fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
      type = IFTODT(st.st_mode);
    }
    if (type == DT_DIR) children.directories.push_back(name);
    if (type == DT_REG) children.files.push_back(name);
  }
  if (errno != 0) return ErrnoError(errno, relative);
  return children;
}

Result<dev_t> DeviceOf(const UniqueFd& fd) {
  struct stat st = {};
  if (fstat(fd.get(), &st) != 0) return ErrnoError(errno, "stat");
  return st.st_dev;
}

}  // namespace

Result<UniqueFd> FoundFile::Open(int flags) const { return OpenBelow(root, relative, flags); }

Status WalkRegularFiles(const std::string& root,
                        const std::function<Status(const FoundFile& file)>& visit) {
  const UniqueFd top = TRY(OpenFile(root, O_RDONLY | O_DIRECTORY));
  const dev_t device = TRY(DeviceOf(top));
  std::vector<std::string> waiting = {""};
  while (!waiting.empty()) {
    const std::string directory = std::move(waiting.back());
    waiting.pop_back();
    auto fd = OpenBelow(top.get(), directory, O_RDONLY | O_DIRECTORY);
    if (!fd.ok() && fd.error().code() == ErrorCode::kNotFound) continue;  // gone meanwhile
    if (!fd.ok()) return fd.error();
    if (TRY(DeviceOf(*fd)) != device) continue;
    const Children children = TRY(ReadChildren(std::move(*fd), directory));
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (const std::string& name : children.directories) waiting.push_back(prefix + name);
    for (const std::string& name : children.files) TRY(visit({top.get(), prefix + name}));
  }
  return {};
}

}  // namespace freehold
