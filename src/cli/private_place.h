// What holds the server's keys is nobody else's to read, nor to put other keys into.
#pragma once

#include <string>

#include "base/result.h"

namespace freehold::cli {

// kPermissionDenied for a file that others than its owner and group may read or write, and for a
// directory that they may write to. What is not there is nobody's.
Status CheckIsPrivate(const std::string& path);

}  // namespace freehold::cli
