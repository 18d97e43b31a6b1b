#include "cli/rsync.h"

#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <utility>

#include "fmt/format.h"

namespace freehold::cli {
namespace {

constexpr int kVanished = 24;  // files went away while it ran; expected of a running database

Error Failed(int code, const std::string& said) {
  if (code == kNoProgram) return Error(ErrorCode::kNotFound, "rsync is not installed");
  ErrorCode meaning = ErrorCode::kIo;
  std::string telling = said.substr(0, said.find('\n'));
  std::istringstream lines(said);
  for (std::string line; meaning == ErrorCode::kIo && std::getline(lines, line);) {
    for (const int number : {ENOSPC, EDQUOT, EFBIG}) {  // named last, whatever the language
      if (!line.ends_with(fmt::format("({})", number))) continue;
      meaning = ErrnoError(number, "").code();
      telling = line;
    }
  }
  return Error(meaning, fmt::format("rsync ended with {}: {}", code, Printable(telling)));
}

}  // namespace

// By the nanosecond.
Words Rsync::CommonWords() const {
  return {"--archive",     "--hard-links", "--acls",          "--xattrs",          "--sparse",
          "--numeric-ids", "--delete",     "--delete-during", "--modify-window=-1"};
}

ChildProcess Rsync::NewChild(Words words) const {
  words.insert(words.end(), {"--", trees_.from + "/", trees_.to + "/"});
  ChildProcess child;
  child.program = "rsync";
  child.words = std::move(words);
  child.end = End::kWithItsTree;
  child.directory = trees_.here.get();
  return child;
}

Status Rsync::Copy(Tell tell, bool running) const {
  Words words = CommonWords();
  if (update_ == Update::kInPlace) words.insert(words.end(), {"--inplace", "--no-whole-file"});
  if (tell == Tell::kByContents) words.emplace_back("--checksum");
  if (isatty(STDERR_FILENO) != 0) words.emplace_back("--info=progress2");
  const UniqueFd errors = TRY(NewTemporaryFile());
  ChildProcess child = NewChild(std::move(words));
  child.out = STDERR_FILENO;
  child.err = errors.get();
  const int code = WaitForChild(TRY(StartChild(child)));
  if (code == 0 || (running && code == kVanished)) return {};
  return Failed(code, TRY(ReadBack(errors)));
}

Result<Words> Rsync::Compare() const {
  Words words = CommonWords();
  words.insert(words.end(), {"--checksum", "--dry-run", "--itemize-changes"});
  const UniqueFd out = TRY(NewTemporaryFile());
  const UniqueFd errors = TRY(NewTemporaryFile());
  ChildProcess child = NewChild(std::move(words));
  child.out = out.get();
  child.err = errors.get();
  const int code = WaitForChild(TRY(StartChild(child)));
  if (code != 0) return Failed(code, TRY(ReadBack(errors)));
  Words differing;
  std::istringstream lines(TRY(ReadBack(out)));
  for (std::string line; std::getline(lines, line);) {
    const auto blank = line.find(' ');
    if (blank != std::string::npos) differing.push_back(Printable(line.substr(blank + 1)));
  }
  return differing;
}

}  // namespace freehold::cli
