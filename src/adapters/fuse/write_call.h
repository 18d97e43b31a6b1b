// Which bytes of a file a thread is about to write, asked of the kernel while the thread waits for
// the answer to a request.
//
// Before the kernel takes a write(2) into its cache it asks for the file's attributes, if it may
// not remember them; the request does not say why. Threads: safe. Spec: proc(5), /proc/PID/syscall.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace freehold::fuse {

struct WriteCall {
  std::optional<std::uint64_t> offset;  // nothing: at the end, or not known
  std::uint64_t size = 0;
};

// Nothing when the thread is in another call, is none that can be looked at (io_uring's), or writes
// past the cache (O_DIRECT): that call hears of a full disk from the write itself.
std::optional<WriteCall> WriteCallOf(pid_t thread);

}  // namespace freehold::fuse
