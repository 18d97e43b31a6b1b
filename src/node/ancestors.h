// What a path lies in, told by the directories above it and not by its text: links and two names of
// one directory do not mislead it. Of a directory inside a volume that is bind-mounted elsewhere by
// itself, nothing above tells.
//
// A path that does not exist yet lies where its nearest existing ancestor does. Threads: safe.
// Errors: from errno, with the path.
#pragma once

#include <string>

#include "base/result.h"

namespace freehold {

// True where `path` is this directory, or lies in it at any depth.
Result<bool> LiesIn(const std::string& path, const std::string& directory);

// The volume in whose directory `path` lies, at any depth: whatever is put there is taken for that
// volume's own. "" where there is none. A directory that is a volume lies in itself.
Result<std::string> VolumeAround(const std::string& path);

}  // namespace freehold
