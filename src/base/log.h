// Log: one line per event on standard error, with time, level and component.
//
// Never given secrets: arguments are text that the caller has already decided is public. Names of
// files and words of others may be in it: what could forge a line or drive a terminal is replaced.
// Threads: safe; each line is one write.
#pragma once

#include <string>
#include <string_view>

namespace freehold {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

void SetLogLevel(LogLevel lowest);
void Log(LogLevel level, std::string_view component, std::string_view message);

inline void LogInfo(std::string_view component, std::string_view message) {
  Log(LogLevel::kInfo, component, message);
}
inline void LogWarning(std::string_view component, std::string_view message) {
  Log(LogLevel::kWarning, component, message);
}
inline void LogError(std::string_view component, std::string_view message) {
  Log(LogLevel::kError, component, message);
}

}  // namespace freehold
