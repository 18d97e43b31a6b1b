// The fields of a profile's TOML text: which there are, of which type, which are required.
//
// Knows nothing of what they mean (node/profile.h). Errors: kInvalidArgument with one sentence.
#pragma once

#include <string_view>

#include "node/profile.h"

namespace freehold {

Result<Profile> ReadProfileFields(std::string_view toml);

}  // namespace freehold
