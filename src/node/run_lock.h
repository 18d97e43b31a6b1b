// One `freehold run` for each volume: whoever looks after its daemon and its database holds a lock
// on the volume's own directory, until that process ends, however it ends.
//
// Errors: kBusy when another one does. Threads: safe, and processes too.
#pragma once

#include "base/posix_file.h"
#include "node/volume_paths.h"

namespace freehold {

Result<UniqueFd> LockRun(const VolumePaths& paths);

// Some process does.
bool IsRunLocked(const VolumePaths& paths);

}  // namespace freehold
