// Walking the regular files of a volume's encrypted tree, for recovery and for verification.
//
// Goes from directory to directory by descriptors and follows no link, whoever owns the tree and
// however deep it is: no path that an owner could redirect meanwhile, or that is too long to name.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/posix_file.h"
#include "base/result.h"

namespace freehold {

// One file that was found; files may be gone by the time that they are opened (kNotFound).
struct FoundFile {
  int root;              // descriptor of the tree
  std::string relative;  // path below it, no leading slash

  Result<UniqueFd> Open(int flags) const;
};

// Calls `visit` with each regular file. Stays on one file system; skips what goes away meanwhile.
// Stops at the first Error of `visit`.
Status WalkRegularFiles(const std::string& root,
                        const std::function<Status(const FoundFile& file)>& visit);

}  // namespace freehold
