// UUIDs of version 4: random ids in the usual shape. Threads: safe. Spec: RFC 9562, lower case.
#pragma once

#include <string>
#include <string_view>

namespace freehold {

std::string NewUuid();
bool IsUuid(std::string_view text);  // of any version

}  // namespace freehold
