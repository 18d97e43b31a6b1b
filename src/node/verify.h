// Verify: looks at every file of an open volume and lists what is wrong.
//
// Checks headers (both slots, MAC, volume, DEK), lengths, slack and padding, and repeats what the
// recovery adopted. XTS is not authentication: the contents of the blocks cannot be judged.
// Errors: only for a tree that cannot be walked; faults are in the report.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "keyring/volume_keys.h"
#include "node/volume_paths.h"

namespace freehold {

struct VerifyFault {
  std::string path;       // relative to the volume's root
  std::string what;       // one sentence
  bool readable = false;  // true: a warning, the file's contents are still served
};

struct VerifyReport {
  std::uint64_t files = 0;
  std::uint64_t plaintext_bytes = 0;
  std::vector<VerifyFault> faults;
};

// `cancelled` may be null; once true, the walk ends with kSealed.
Result<VerifyReport> VerifyVolume(const VolumePaths& paths, const VolumeKeys& keys,
                                  const std::atomic<bool>* cancelled = nullptr);

}  // namespace freehold
