#include "base/file_lock.h"

#include <sys/file.h>

#include <cerrno>
#include <thread>
#include <utility>

namespace freehold {

Status LockAlone(const UniqueFd& fd, const std::string& path, std::string taken,
                 Duration patience) {
  constexpr Duration kPause = std::chrono::milliseconds(2);
  for (Duration waited{}; flock(fd.get(), LOCK_EX | LOCK_NB) != 0; waited += kPause) {
    if (errno != EWOULDBLOCK) return ErrnoError(errno, path);
    if (waited >= patience) return Error(ErrorCode::kBusy, std::move(taken));
    std::this_thread::sleep_for(kPause);  // flock(2) has no time-out of its own
  }
  return {};
}

}  // namespace freehold
