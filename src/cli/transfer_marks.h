// What was begun and is not complete: an import or export deletes what its source does not have, so
// it only goes where there is nothing, or where it began itself.
//
// One mark for each destination, in the state directory, where no file of a user's can be in its
// way. It holds all that makes a transfer the same one: its source, its place, and which directory
// that was, as a directory that was made anew is another one. A mark counts only while its
// directory is there and holds something, so an empty directory is free for any transfer, which
// then takes the mark over. Nothing begins inside the destination of another that is not complete:
// that one would delete it.
// Threads: values. Errors: kAlreadyExists, with the way out. Spec: docs/format/keyring.md,
// "Places".
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "keyring/keyring.h"

namespace freehold::cli {

struct Transfer {
  enum class Way : std::uint8_t { kImport = 1, kExport = 2 };
  Way way = Way::kImport;
  Id volume_id{};
  std::string source;  // any bytes; an export's is the volume's directory, ":" and the place there
  std::string place;   // below `root`; "" for the root itself
  std::string root;    // where the place can be looked at; "" for that of the file system
  std::string root_name;  // in a sentence; "" where the place is a name by itself
};

class TransferMarks {
 public:
  explicit TransferMarks(const std::string& state_directory)
      : directory_(state_directory + "/transfers") {}
  // Before the destination is made: it does not lie in that of another.
  Status CheckPlace(const Transfer& transfer) const;
  // Once it is there. Durable when it returns.
  Status Begin(const Transfer& transfer) const;
  Status End(const Transfer& transfer) const;

 private:
  struct Mark;
  std::string PathOf(const Transfer& transfer, const std::string& place) const;
  Result<std::optional<Mark>> Load(const Transfer& transfer, const std::string& place) const;

  const std::string directory_;
};

}  // namespace freehold::cli
