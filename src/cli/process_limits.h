// Limits of this process.
#pragma once

#include <cstddef>

namespace freehold::cli {

// All descriptors that we may have, not the few that a shell or a service begins with; how many.
std::size_t RaiseDescriptorLimit();

}  // namespace freehold::cli
