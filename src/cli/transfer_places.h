// Where an import or an export may go: below a mount's root and nowhere else, and never from a
// volume into itself. Threads: safe. Errors: one sentence, kInvalidArgument unless said otherwise.
#pragma once

#include <string>

#include "base/posix_file.h"
#include "base/result.h"

namespace freehold::cli {

// The names of a path below a root, joined by single slashes; "" for the root itself. Refused where
// it would lead above the root.
Result<std::string> PlaceBelow(const std::string& path);

// The directory at such a place. Symbolic links on the way are refused, and other file systems:
// what is written there would lie elsewhere. Only with `make` is it made; else kNotFound.
Result<UniqueFd> OpenPlace(const std::string& root, const std::string& place, bool make);

// Absolute and without symbolic links, whether or not all of it exists.
Result<std::string> FuturePath(const std::string& path);

// kNotFound where there is nothing.
Status CheckDirectory(const std::string& path);

// Refuses a path that is `directory` or lies in it, or in which that lies. `what` and
// `directory_is` are their names in the sentence.
Status CheckApart(const std::string& what, const std::string& path, const std::string& directory_is,
                  const std::string& directory);

// Refuses a path in the directory of any volume.
Status CheckOutsideVolumes(const std::string& what, const std::string& path);

// Lets the kernel forget what it has cached of the files in a tree, so that the next read is of the
// disk. What is not on the disk yet stays.
Status DropCached(const std::string& tree);

}  // namespace freehold::cli
