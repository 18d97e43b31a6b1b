#include "adapters/fuse/priority.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/posix_file.h"

namespace freehold::fuse {
namespace {

constexpr int kNice = -10;
constexpr std::uint64_t kSliceNanoseconds = 100'000;  // the shortest that Linux takes

// sched_setattr(2) has no wrapper in this libc.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = kNice;
  std::uint32_t priority = 0;
  std::uint64_t runtime = kSliceNanoseconds;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

}  // namespace

void ServeFirst() {
  SchedulingAttributes attributes;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
  if (getsid(0) != getpid()) return;
  const UniqueFd group(open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC));
  const std::string nice = std::to_string(kNice);
  if (group.valid()) (void)!write(group.get(), nice.data(), nice.size());
}

}  // namespace freehold::fuse
