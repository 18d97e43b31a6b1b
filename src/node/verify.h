// Verify: looks at every file of an open volume and lists what is wrong.
//
// Checks headers (both slots, MAC, volume, DEK), lengths, slack and padding, looks in all that is
// on the disk for plaintext (format/plaintext_signs.h) and for files that are none of the volume's,
// and repeats what the recovery adopted. XTS is not authentication: changed contents are not seen.
// Files may come, go and grow meanwhile. Errors: only for a tree that cannot be walked, or kSealed
// when the keys went; faults are in the report.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "node/volume_paths.h"
#include "vfs/encrypted_header.h"

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

// OpenHeader of vfs/encrypted_header.h under the volume's keys; asked once a file, so that nobody
// need keep them, or a lock, for as long as the whole walk takes.
using HeaderOpener = std::function<Result<OpenedHeader>(ByteView header)>;

// True ends a walk, with kSealed; asked once a MiB.
using MustStop = std::function<bool()>;

Result<VerifyReport> VerifyVolume(const VolumePaths& paths, const HeaderOpener& open_header,
                                  const MustStop& must_stop);

}  // namespace freehold
