#include "cli/output.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <boost/json.hpp>
#include <cstdio>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::cli {

int Fail(const Error& error, bool json) {
  const ErrorCodeInfo& info = InfoOf(error.code());
  const std::string message = Printable(error.message());  // may quote a keyring, or the user
  if (json) {
    const boost::json::value body = {{"error",
                                      {{"code", info.name},
                                       {"exit_code", info.exit_code},
                                       {"retryable", info.retryable},
                                       {"message", message}}}};
    Print(boost::json::serialize(body));
  }
  fmt::print(stderr, "freehold: {}\n", message);
  return info.exit_code;
}

void Print(std::string_view text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

void RefuseCoreFiles() {
  const rlimit one{1, 1};  // not 0, from which a database could not get to 1 again
  setrlimit(RLIMIT_CORE, &one);
  prctl(PR_SET_DUMPABLE, 0);
}

void HardenProcess() {
  RefuseCoreFiles();
  if (auto locked = UseLockedMemoryForCrypto(); !locked.ok()) {
    fmt::print(stderr, "freehold: {}\n", locked.error().message());
    std::_Exit(InfoOf(locked.error().code()).exit_code);
  }
}

}  // namespace freehold::cli
