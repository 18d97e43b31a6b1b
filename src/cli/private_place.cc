#include "cli/private_place.h"

#include <sys/stat.h>

#include "fmt/format.h"

namespace freehold::cli {

Status CheckIsPrivate(const std::string& path) {
  struct stat st = {};
  if (stat(path.c_str(), &st) != 0) return {};
  const bool is_directory = S_ISDIR(st.st_mode);
  const mode_t too_much = is_directory ? S_IWOTH : S_IROTH | S_IWOTH;
  if ((st.st_mode & too_much) == 0) return {};
  return Error(
      ErrorCode::kPermissionDenied,
      fmt::format("{}: others may {} it; chmod {} it, and make its keys anew if somebody did", path,
                  is_directory ? "write to" : "read or change", is_directory ? "700" : "600"));
}

}  // namespace freehold::cli
