#include "node/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/file_lock.h"
#include "fmt/format.h"

namespace freehold {

Result<UniqueFd> LockRun(const VolumePaths& paths) {
  UniqueFd directory = TRY(OpenFile(paths.meta(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  TRY(LockAlone(directory, paths.meta(),
                fmt::format("another 'freehold run' looks after the volume {}", paths.directory)));
  return directory;
}

bool IsRunLocked(const VolumePaths& paths) {
  const auto directory = OpenFile(paths.meta(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!directory.ok()) return false;
  return flock(directory->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace freehold
