// The kernel's limit of unwritten pages, for one mount.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>

#include "adapters/fuse/full_disk.h"
#include "fmt/format.h"

namespace freehold::fuse {
namespace {

std::uint64_t NumberIn(const std::string& path) {
  auto bytes = ReadFile(path);
  return bytes.ok() ? std::strtoull(std::string(AsText(*bytes)).c_str(), nullptr, 10) : 0;
}

bool Put(const std::string& path, std::uint64_t value) {
  auto fd = OpenFile(path, O_WRONLY);
  return fd.ok() && WriteAll(fd->get(), AsBytes(fmt::format("{}", value))).ok();
}

// The most that all file systems together may ever have unwritten.
std::uint64_t MostDirtyBytesOfAll() {
  const std::uint64_t fixed = NumberIn("/proc/sys/vm/dirty_bytes");
  if (fixed != 0) return fixed;
  struct sysinfo machine = {};
  sysinfo(&machine);
  return machine.totalram * machine.mem_unit / 100 * NumberIn("/proc/sys/vm/dirty_ratio");
}

}  // namespace

// As a part of the most, not by max_bytes: that is turned into a part of what the limit is at this
// moment, which grows with free memory.
bool LimitDirtyBytes(int mount_fd, std::uint64_t bytes) {
  constexpr std::uint64_t kMillion = 1'000'000;
  struct stat st = {};
  const std::uint64_t all = MostDirtyBytesOfAll();
  if (all == 0 || fstat(mount_fd, &st) != 0) return false;
  const std::uint64_t parts = std::clamp<std::uint64_t>(bytes / (all / kMillion + 1), 1, kMillion);
  const auto bdi = fmt::format("/sys/class/bdi/{}:{}/", major(st.st_dev), minor(st.st_dev));
  return Put(bdi + "strict_limit", 1) && Put(bdi + "max_ratio_fine", parts);
}

}  // namespace freehold::fuse
