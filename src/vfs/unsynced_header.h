// A file whose header never reached the disk before a crash, and how it becomes whole again.
//
// Only for the recovery after an unclean stop; any normal opening refuses such a file. Errors: the
// file's own. Threads: one file at a time. Spec: docs/format/file.md, "After an unclean stop".
#pragma once

#include "keyring/volume_keys.h"
#include "vfs/file.h"

namespace freehold {

// `backing` has a length, and zeros where its header should be.
Result<bool> HasUnsyncedHeader(File& backing);

// Empties `backing` and gives it a new header, durably. It keeps its length throughout, so that a
// second crash cannot lose it; less than a header becomes nothing.
Status AdoptUnsyncedFile(File& backing, const VolumeKeys& keys);

}  // namespace freehold
