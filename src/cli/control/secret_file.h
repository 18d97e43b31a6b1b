// SecretFile: a new file, 0600, for what the API shows once.
//
// It is made before the request, as there is nowhere else to put the answer, and is gone again
// unless something was written. Errors: kAlreadyExists and those of files. Threads: one at a time.
#pragma once

#include <string>

#include "base/posix_file.h"

namespace freehold::cli {

class SecretFile {
 public:
  // "" = none: then is_wanted() is false, and nothing else is to be called.
  static Result<SecretFile> Create(const std::string& path);
  SecretFile(SecretFile&& other) noexcept;
  SecretFile& operator=(SecretFile&&) = delete;
  ~SecretFile();

  bool is_wanted() const { return file_.valid(); }
  // One line.
  Status Write(const std::string& secret);

 private:
  SecretFile() = default;

  std::string path_;  // "" = stays
  UniqueFd file_;
};

}  // namespace freehold::cli
