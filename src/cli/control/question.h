// The question before what cannot be taken back by the one who does it.
//
// Errors: kInvalidArgument when the answer is another name, or when there is no terminal to ask on
// and nobody said --yes. Threads: main only.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::cli {

// Says `warning` and wants the name typed; with `yes` it does neither. `what` names it in the
// question: "cluster's name".
Status AskForName(const std::string& warning, const std::string& name, bool yes,
                  std::string_view what = "cluster's name");

}  // namespace freehold::cli
