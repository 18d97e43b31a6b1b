// freehold run: a volume, its custody, and the database that lives while the volume is open.
//
// Returns the process's exit code (base/error.h) when it has been asked to stop and nothing of it
// is left. Spec: docs/howto/add-a-database.md for profiles.
#pragma once

#include <string>
#include <vector>

#include "cli/volume_commands.h"

namespace freehold::cli {

struct RunOptions {
  VolumeFlags volume;
  std::string mount_point;
  CustodyFlags custody;
  std::string profile;                   // a name, or a path with a slash
  std::string profile_dir;               // looked into first
  std::optional<std::uint64_t> reserve;  // see VolumeMountOptions
  std::string version;                   // "" = the newest that is installed
  std::vector<std::string> set;          // NAME=VALUE
  bool no_supervise = false;
  std::string on_open;
  std::string on_seal;
};

int RunRun(const RunOptions& options);

}  // namespace freehold::cli
