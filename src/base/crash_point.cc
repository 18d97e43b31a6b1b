#include "base/crash_point.h"

#if defined(FREEHOLD_CRASH_POINTS)

#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

namespace freehold {

void CrashPoint(const char* name) {
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
