#include "base/crash_point.h"

#if defined(FREEHOLD_CRASH_POINTS)

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

namespace freehold {

namespace {

constexpr std::size_t kLongestName = 64;

// Of several processes and threads only one finds the file still there.
void CrashIfNamedIn(const char* path, std::string_view name) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  char text[kLongestName];
  const ssize_t length = read(file, text, sizeof text);
  close(file);
  if (length < 0 || std::string_view(text, static_cast<std::size_t>(length)) != name) return;
  if (unlink(path) == 0) raise(SIGKILL);
}

}  // namespace

void CrashPoint(const char* name) {
  if (const char* path = std::getenv("FREEHOLD_CRASH_FILE"); path != nullptr) {
    CrashIfNamedIn(path, name);
  }
  const char* wanted = std::getenv("FREEHOLD_CRASH_AT");
  if (wanted == nullptr) return;
  const std::string_view text(wanted);
  const auto colon = text.find(':');
  if (text.substr(0, colon) != name) return;
  static int passages = 0;
  const int nth = colon == std::string_view::npos ? 1 : std::atoi(wanted + colon + 1);
  if (++passages == nth) raise(SIGKILL);
}

bool IsMutant(const char* name) {
  static const char* const mutant = std::getenv("FREEHOLD_MUTANT");
  return mutant != nullptr && std::string_view(mutant) == name;
}

}  // namespace freehold

#endif
