// The keyring's file: how it is read, replaced, and how the one before it is erased.
//
// Replacing is: a second name for the old one, write, fsync, rename, fsync. Erasing overwrites the
// old bytes before their name goes. A crash at any step leaves one whole keyring under its name;
// the next opening finishes the erasing. Errors: kIo and kin, kNotFound, kKeyringCorrupt for a
// volume that has none. Spec: docs/format/keyring.md, "Places".
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "node/volume_paths.h"

namespace freehold {

Result<Bytes> ReadKeyringBytes(const VolumePaths& paths);

// The old keyring keeps its second name until EraseOtherKeyrings. After an error IsInPlace tells
// which of the two is there: the rename may have happened although the sync after it failed.
Status ReplaceKeyring(const VolumePaths& paths, const Bytes& bytes);
bool IsInPlace(const VolumePaths& paths, const Bytes& bytes);

// What a rotation leaves, or one that was cut short left: the keyring before it, and one that never
// took its place. Found at a later opening, the work is finished then.
Status EraseOtherKeyrings(const VolumePaths& paths);

}  // namespace freehold
