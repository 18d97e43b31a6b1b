// For tests only: surroundings that never wait, a file that goes away again, and the answers that
// Azure would give.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "base/posix_file.h"
#include "kms/service/surroundings.h"
#include "net/http.h"

namespace freehold::azure {

using Variables = std::map<std::string, std::string>;

inline Surroundings TestSurroundings(Variables variables) {
  Surroundings surroundings;
  surroundings.environment =
      [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
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
  std::string path_ = "/tmp/freehold-test-XXXXXX";
};

inline HttpResponse TokenAnswer(const std::string& token = "token-1") {
  return {200, {}, R"({"token_type":"Bearer","expires_in":3599,"access_token":")" + token + "\"}"};
}

inline HttpResponse EntraError(int status, const std::string& error, int number) {
  const std::string code = std::to_string(number);
  return {status,
          {},
          R"({"error":")" + error + R"(","error_description":"AADSTS)" + code +
              R"(: the words Trace ID: t1","error_codes":[)" + code + R"(],"trace_id":"t1"})"};
}

inline HttpResponse VaultError(int status, const std::string& code, const std::string& inner = "",
                               const std::string& message = "the words") {
  return {status,
          {{"x-ms-request-id", "r1"}},
          R"({"error":{"code":")" + code + R"(","message":")" + message + "\"" +
              (inner.empty() ? "" : R"(,"innererror":{"code":")" + inner + "\"}") + "}}"};
}

}  // namespace freehold::azure
