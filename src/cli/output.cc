#include "cli/output.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <boost/json.hpp>
#include <cctype>
#include <cstdio>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::cli {

namespace {

// Whoever types an API key where it does not belong has it in no log.
std::string WithoutApiKeys(std::string text) {
  constexpr std::string_view kPrefix = "fhk_";
  for (auto at = text.find(kPrefix); at != std::string::npos; at = text.find(kPrefix, at)) {
    at += kPrefix.size();
    auto end = at;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) {
      ++end;
    }
    if (end > at) text.replace(at, end - at, "...");
  }
  return text;
}

}  // namespace

int Fail(const Error& error, bool json) {
  const ErrorCodeInfo& info = InfoOf(error.code());
  // May quote a keyring, or the user.
  const std::string message = WithoutApiKeys(Printable(error.message()));
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
