#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "fmt/format.h"

namespace freehold {
namespace {

std::atomic<LogLevel> g_lowest{LogLevel::kInfo};

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

}  // namespace

void SetLogLevel(LogLevel lowest) { g_lowest = lowest; }

void Log(LogLevel level, std::string_view component, std::string_view message) {
  if (level < g_lowest.load()) return;
  const std::string line = fmt::format("{} {} {}: {}\n", FormatTime(SystemClock().Wall()),
                                       NameOf(level), component, Printable(message));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace freehold
