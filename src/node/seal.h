// The order in which an open mount is taken away, each step with a deadline.
//
// Fences first, then drops what the kernel cached, then the keys, then the connection: aborting
// first would leave cached plaintext readable. Never waits for a process of the database.
// Spec: design section 3, "Sealing". Threads: called from one that serves no requests.
#pragma once

#include <cstdint>
#include <functional>

#include "adapters/fuse/mount.h"

namespace freehold {

struct SealDeadlines {
  Duration flush = std::chrono::seconds(5);
  Duration drain = std::chrono::seconds(5);
  Duration drop = std::chrono::seconds(10);
};

struct SealReport {
  bool flushed = false;            // dirty pages reached the backing files first
  bool drained = false;            // no request was inside when the keys went
  bool dropped = false;            // the kernel confirmed every invalidation in time
  std::int64_t cached_pages = -1;  // left in the page cache afterwards; -1: not known
  Duration until_fenced{};         // from the call to the closed gate
  Duration until_sealed{};         // from the call to wiped keys and an ended connection
};

// `wipe_keys` runs after the last request and the last File are gone.
SealReport SealMount(fuse::Mount& mount, const SealDeadlines& deadlines,
                     const std::function<void()>& wipe_keys, const Clock& clock);

}  // namespace freehold
