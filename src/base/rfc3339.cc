#include "base/rfc3339.h"

#include <ctime>
#include <string_view>

namespace freehold {

std::optional<WallTime> ParseTime(const std::string& text) {
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || std::string_view(rest) != "Z") return std::nullopt;
  return WallTime{std::chrono::seconds(timegm(&parts))};
}

}  // namespace freehold
