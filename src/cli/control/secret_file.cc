#include "cli/control/secret_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace freehold::cli {

Result<SecretFile> SecretFile::Create(const std::string& path) {
  SecretFile made;
  if (path.empty()) return made;
  made.file_ = TRY(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  made.path_ = path;
  return made;
}

SecretFile::SecretFile(SecretFile&& other) noexcept
    : path_(std::exchange(other.path_, "")), file_(std::move(other.file_)) {}

SecretFile::~SecretFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

Status SecretFile::Write(const std::string& secret) {
  TRY(WriteAll(file_.get(), AsBytes(secret + "\n")));
  path_.clear();
  return {};
}

}  // namespace freehold::cli
