#include "cli/output.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cctype>
#include <cstdio>
#include <cstdlib>

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
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

Status PrintForSure(std::string_view text) {
  Print(text);
  if (std::ferror(stdout) == 0) return {};
  return Error(ErrorCode::kIo, "standard output could not be written to");
}

void OccupyStandardDescriptors() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0) continue;
    const int opened = open("/dev/null", number == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    if (opened != number) std::_Exit(InfoOf(ErrorCode::kIo).exit_code);
  }
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
