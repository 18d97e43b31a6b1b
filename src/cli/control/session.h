// A command's connection to the control plane, and how its answer is shown.
//
// Threads: main only.
#pragma once

#include <functional>
#include <string>

#include "cli/control/api_client.h"

namespace freehold::cli {

struct CommonFlags {
  std::string ca;     // PEM file; "" = as kept by the login
  bool json = false;  // print the API's answers, unchanged
};

// By the login that is kept, or that the environment gives.
Result<ApiClient> Connect(const CommonFlags& flags);

// JSON for programs: the text as it came. For people: what `print` makes of it.
void Show(const ApiAnswer& answer, const CommonFlags& flags,
          const std::function<void(const boost::json::object&)>& print);
// A page a line, or all items at once.
void Show(const ApiList& list, const CommonFlags& flags,
          const std::function<void(const boost::json::array&)>& print);

}  // namespace freehold::cli
