#include "cli/control/question.h"

#include <unistd.h>

#include <iostream>

#include "base/bytes.h"
#include "cli/control/table.h"
#include "fmt/format.h"

namespace freehold::cli {

Status AskForName(const std::string& warning, const std::string& name, bool yes,
                  std::string_view what) {
  if (yes) return {};
  if (isatty(STDIN_FILENO) == 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "this asks on a terminal, and there is none; --yes does it without asking");
  }
  fmt::print(stderr, "{}\nType the {} to go on: ", Printable(warning), what);
  std::fflush(stderr);
  std::string typed;
  std::getline(std::cin, typed);
  if (typed == name) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("that is not the {}; nothing was changed", what));
}

std::string RestoreWarning(ApiClient& api, const std::string& path) {
  const auto answer = api.Get(path);
  return answer.ok() ? FieldOf(answer->body, "restore_warning") : "";
}

void Warn(const std::string& text) { fmt::print(stderr, "{}\n", Printable(text)); }

}  // namespace freehold::cli
