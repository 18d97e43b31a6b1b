// Walking the regular files of a volume's encrypted tree, for recovery and for verification.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace freehold {

// Calls `visit` with each regular file's path below `root` (relative, no leading slash). Stays on
// one file system and follows no link. Stops at the first Error of `visit`.
Status WalkRegularFiles(const std::string& root,
                        const std::function<Status(const std::string& relative)>& visit);

}  // namespace freehold
