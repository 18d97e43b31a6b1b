// ParseYaml: a YAML document of the kind that people write manifests in, as JSON.
//
// A careful subset: maps with plain names, lists, and scalars. What is quoted is a text; what is
// not is null, true, false, a whole number, or a text. Anchors, aliases, tags, names that come
// twice and a second document are refused, so that what is read is what a person sees. Errors:
// kInvalidArgument with the line. Threads: safe. Spec: YAML 1.1 as libyaml reads it.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "base/result.h"

namespace freehold::cli {

// `what` names the document in the sentence.
Result<boost::json::value> ParseYaml(std::string_view text, std::string_view what);

}  // namespace freehold::cli
