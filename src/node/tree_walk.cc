#include "node/tree_walk.h"

#include <fts.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

namespace freehold {

Status WalkRegularFiles(const std::string& root,
                        const std::function<Status(const std::string& relative)>& visit) {
  std::string start = root;
  char* roots[] = {start.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> tree(
      fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), fts_close);
  if (tree == nullptr) return ErrnoError(errno, root);
  for (;;) {
    errno = 0;
    const FTSENT* entry = fts_read(tree.get());
    if (entry == nullptr) break;
    const std::string_view path(entry->fts_path);
    switch (entry->fts_info) {
      case FTS_F:
        TRY(visit(std::string(path.substr(root.size() + 1))));
        break;
      case FTS_ERR:
      case FTS_DNR:
      case FTS_NS:
        if (entry->fts_errno == ENOENT) break;  // gone meanwhile
        return ErrnoError(entry->fts_errno, path);
      default:
        break;
    }
  }
  if (errno != 0) return ErrnoError(errno, root);
  return {};
}

}  // namespace freehold
