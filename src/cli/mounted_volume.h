// A volume's mount for the time of a command: the one that is there, or one of our own.
//
// Ours is at a private place, served by a `freehold volume mount` that ends with this process.
// Threads: one, and no other may be there. Errors: the daemon's own sentence and code; kSealed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/posix_file.h"
#include "base/result.h"
#include "cli/volume_commands.h"

namespace freehold::cli {

class MountedVolume {
 public:
  // `reserve`: of a mount of our own; kInvalidArgument with one that is there already.
  static Result<std::unique_ptr<MountedVolume>> Open(const VolumeFlags& flags,
                                                     std::optional<std::uint64_t> reserve);
  ~MountedVolume();
  const std::string& mount_point() const { return mount_point_; }
  // Flushed and closed, if it was ours: also where somebody else looks into it.
  Status Close();

 private:
  MountedVolume(const VolumeFlags& flags, std::optional<std::uint64_t> reserve)
      : flags_(flags), reserve_(reserve) {}
  Status StartOwn();
  Status WaitUntilMounted(const UniqueFd& log);
  Error WhyItEnded(int exit_code, const UniqueFd& log) const;

  const VolumeFlags flags_;
  const std::optional<std::uint64_t> reserve_;
  std::string mount_point_;
  pid_t daemon_ = 0;  // ours
};

}  // namespace freehold::cli
