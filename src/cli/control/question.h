// The question before what cannot be taken back by the one who does it.
//
// Errors: kInvalidArgument when the answer is another name, or when there is no terminal to ask on
// and nobody said --yes. Threads: main only.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/control/api_client.h"

namespace freehold::cli {

// Says `warning` and wants the name typed; with `yes` it does neither. `what` names it in the
// question: "cluster's name".
Status AskForName(const std::string& warning, const std::string& name, bool yes,
                  std::string_view what = "cluster's name");

// What the server says of a revocation that nobody could take back at once, in the field
// `restore_warning` of its answer to this path; "" for nothing, also where it cannot be asked.
std::string RestoreWarning(ApiClient& api, const std::string& path);

// On standard error, whatever is printed beside.
void Warn(const std::string& text);

}  // namespace freehold::cli
