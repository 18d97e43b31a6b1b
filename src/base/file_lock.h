// One process at a time: an flock on a file or a directory of ours.
//
// Held until the descriptor is closed, however its process ends. Errors: kBusy; else as errno says,
// with the path. Threads: safe, and processes too.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/posix_file.h"

namespace freehold {

// Where another process holds it and does not let go within `patience`: kBusy, with `taken` as its
// sentence. A little patience is due: who only looks holds it for a moment, and so does a child
// that a process was about to start when it was killed.
Status LockAlone(const UniqueFd& fd, const std::string& path, std::string taken,
                 Duration patience = std::chrono::milliseconds(500));

}  // namespace freehold
