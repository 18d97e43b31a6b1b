// Patterns of key URIs: which keys a host may use, and which are its operator's own.
//
// Shell patterns (fnmatch) of the text of a KeyUri; a whole URI is one as well. As people write
// them: in any form that a URI has, without the scheme too. Threads: values.
// Spec: docs/api/agents.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kms/key_uri.h"

namespace freehold {

// In the spelling that URIs' texts have. kInvalidArgument for one that no text can match.
Result<std::string> CanonicalKeyPattern(std::string_view text);

// Whether a canonical pattern names the key, under whichever of its names: as IsSameKeyAs where the
// pattern is a whole URI, and else a replica, a version and a namespace before the mount.
bool NameKey(const std::vector<std::string>& patterns, const KeyUri& key);

}  // namespace freehold
