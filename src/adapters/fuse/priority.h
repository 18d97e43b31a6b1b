// Priority of the threads that serve a mount.
//
// A backend that commits holds a lock of the database's log while it waits for us, and with it all
// others wait: where processors are scarce we must not queue behind the very processes that wait.
// So our threads get them first, and in short slices, by which the kernel chooses whom to wake over
// whom. The kernel's own threads for block devices do alike. Only the right to do so is needed;
// without it nothing changes. Spec: sched_setattr(2), setpriority(2), sched(7) on autogroups.
#pragma once

namespace freehold::fuse {

// For the calling thread, and, if this process leads its session, for the session's autogroup:
// within another's group a priority counts for nothing.
void ServeFirst();

}  // namespace freehold::fuse
