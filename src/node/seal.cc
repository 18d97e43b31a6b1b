#include "node/seal.h"

#include <future>
#include <thread>

namespace freehold {

SealReport SealMount(fuse::Mount& mount, const SealDeadlines& deadlines,
                     const std::function<void()>& wipe_keys, const Clock& clock) {
  SealReport report;
  const BootTime start = clock.Boot();
  report.flushed = mount.FlushDirty(deadlines.flush);
  report.drained = mount.Fence(deadlines.drain);
  report.until_fenced = clock.Boot() - start;

  // Dropping waits for the kernel, page by page; it gets a thread of its own and a deadline.
  std::packaged_task<std::int64_t()> drop([&mount] {
    mount.DropPageCache();
    return mount.CachedPages();
  });
  auto dropped = drop.get_future();
  std::thread dropper(std::move(drop));
  report.dropped = dropped.wait_for(deadlines.drop) == std::future_status::ready;
  if (report.dropped) report.cached_pages = dropped.get();

  mount.DropContents();
  wipe_keys();
  mount.Abort();  // also frees a dropper that still waits
  dropper.join();
  if (!report.dropped) mount.DropPageCache();
  report.until_sealed = clock.Boot() - start;
  return report;
}

}  // namespace freehold
