// Times as FormatTime writes them, read back.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace freehold {

// "2026-01-02T03:04:05Z", whole seconds in UTC; unset for anything else.
std::optional<WallTime> ParseTime(const std::string& text);

}  // namespace freehold
