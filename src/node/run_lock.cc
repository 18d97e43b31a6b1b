#include "node/run_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>

#include "fmt/format.h"

namespace freehold {
namespace {

// A look at the lock holds it for a moment.
constexpr int kTries = 20;
constexpr int kPauseMs = 10;

}  // namespace

Result<UniqueFd> LockRun(const VolumePaths& paths) {
  UniqueFd directory = TRY(OpenFile(paths.meta(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int tries = 0; tries < kTries; ++tries) {
    if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
    if (errno != EWOULDBLOCK) return ErrnoError(errno, paths.meta());
    poll(nullptr, 0, kPauseMs);
  }
  return Error(ErrorCode::kBusy,
               fmt::format("another 'freehold run' looks after the volume {}", paths.directory));
}

bool IsRunLocked(const VolumePaths& paths) {
  const auto directory = OpenFile(paths.meta(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!directory.ok()) return false;
  return flock(directory->get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

}  // namespace freehold
