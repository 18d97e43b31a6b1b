#include "node/mounted_files.h"

#include <fcntl.h>

#include "node/tree_walk.h"

namespace freehold {
namespace {

// The layer of a volume's mount makes no others.
EncryptedFile& AsEncrypted(const std::shared_ptr<File>& contents) {
  return static_cast<EncryptedFile&>(*contents);
}

}  // namespace

Status MountedFiles::ForEach(const Visit& visit, const Unreadable& unreadable) {
  bool visited = false;
  std::string name;
  const auto enter = [&](const std::shared_ptr<File>& contents) {
    visited = true;
    return visit(AsEncrypted(contents), name);
  };
  TRY(WalkRegularFiles(paths_.data(), [&](const FoundFile& found) -> Status {
    auto fd = found.Open(O_PATH);
    if (!fd.ok() && fd.error().code() == ErrorCode::kNotFound) return {};  // gone meanwhile
    if (!fd.ok()) return fd.error();
    name = found.relative;
    visited = false;
    auto done = mount_.WithContents(std::move(*fd), enter);
    if (done.ok() || visited || done.error().code() == ErrorCode::kSealed) return done;
    unreadable(Printable(found.relative), done.error());
    return {};
  }));
  name = "a file that was removed and is still open";
  return mount_.ForEachUnlinked(enter);
}

}  // namespace freehold
