// What is mounted at a path, as the kernel's own list tells it: never by looking at the path, where
// a stopped daemon would not answer. Threads: safe.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace freehold::fuse {

inline constexpr char kFileSystemType[] = "fuse.freehold";

// A directory at which nothing is mounted; else kBusy, kInvalidArgument, or what the system says.
Status CheckMountPoint(const std::string& path);

// Aborts and detaches whatever FUSE mount is at this path; nothing happens where none is.
void AbortMountPoint(const std::string& mount_point);

// The source of the Freehold mount at this path, "" where there is none.
std::string SourceOfMount(const std::string& path);

// Where Freehold's own are mounted, in the order of the kernel's list.
std::vector<std::string> FreeholdMounts();

// True if something is mounted exactly there. `path` is absolute and without symbolic links.
bool IsMountPoint(const std::string& path);

}  // namespace freehold::fuse
