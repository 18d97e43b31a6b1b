// One tree made like another by rsync, with everything that a directory holds; and the comparison.
//
// What the source does not have is deleted at the destination. Threads: one, and no other may be
// there. Errors: kNotFound without rsync, kNoSpace on a full disk, else kIo with its first words.
#pragma once

#include <string>

#include "base/posix_file.h"
#include "base/result.h"
#include "cli/child_process.h"

namespace freehold::cli {

// Either may be "." for the directory that is open as `here`: no path, so nobody can redirect it.
struct Trees {
  UniqueFd here;
  std::string from;
  std::string to;
};

// How a file that is there already is brought up to date: where it lies, or, where files are
// written once, by a new one in its place.
enum class Update { kInPlace, kReplace };
// What tells that a file is up to date.
enum class Tell { kBySizeAndTime, kByContents };

class Rsync {
 public:
  Rsync(const Trees& trees, Update update) : trees_(trees), update_(update) {}
  // `running`: the source may change meanwhile, and files in it may go.
  Status Copy(Tell tell, bool running) const;
  // Names of what differs, printable, after reading all of both sides.
  Result<Words> Compare() const;

 private:
  Words CommonWords() const;
  ChildProcess NewChild(Words words) const;

  const Trees& trees_;
  const Update update_;
};

}  // namespace freehold::cli
