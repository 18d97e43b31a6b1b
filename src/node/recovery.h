// Recovery: what an unclean stop may have left, put right before the volume is served again.
//
// A power loss can leave a file that was never synced with a length and an all-zero header. It
// reads as zeros, as it would on a plain file system: its body is emptied, a new header written and
// the length restored. Anywhere else, and at any other time, an all-zero header is an error: it
// would let whoever writes the disk empty a file unnoticed. Each adopted file is logged and kept in
// the volume's `recovered` list for `verify`. Errors: kIo and kin. Spec: docs/format/file.md.
#pragma once

#include "keyring/volume_keys.h"
#include "node/volume_paths.h"

namespace freehold {

// The marker that a volume is in use; found at the next opening it means an unclean stop.
bool WasStoppedUncleanly(const VolumePaths& paths);
Status MarkOpen(const VolumePaths& paths);
// After everything has been synced.
Status MarkClosed(const VolumePaths& paths);

Status RecoverAfterUncleanStop(const VolumePaths& paths, const VolumeKeys& keys);

}  // namespace freehold
