// For tests only: surroundings made of a map, that never wait, and a file that goes away again.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/posix_file.h"
#include "kms/service/surroundings.h"

namespace freehold {

inline Environment FakeEnvironment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

inline Surroundings FakeSurroundings(std::map<std::string, std::string> variables) {
  Surroundings surroundings;
  surroundings.environment = FakeEnvironment(std::move(variables));
  surroundings.pause = [](Duration) {};
  return surroundings;
}

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view contents) {
    const UniqueFd fd(mkstemp(path_.data()));
    if (!WriteAll(fd.get(), AsBytes(contents)).ok()) std::abort();
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/freehold-test-XXXXXX";  // mkstemp fills in the last six
};

}  // namespace freehold
