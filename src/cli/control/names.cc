#include "cli/control/names.h"

#include <algorithm>

#include "base/bytes.h"
#include "cli/control/table.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

bool IsUuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    const bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (hyphen ? text[i] != '-' : !digit) return false;
  }
  return true;
}

}  // namespace

Result<std::string> IdIn(const boost::json::array& items, std::string_view what,
                         const std::string& name) {
  std::string found;
  for (const boost::json::value& item : items) {
    if (!item.is_object() || FieldOf(item.as_object(), "name") != name) continue;
    if (!found.empty()) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("more than one {} has the name '{}'; give its id", what, Printable(name)));
    }
    found = FieldOf(item.as_object(), "id");
  }
  if (!found.empty()) return found;
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no {} '{}', or you may not see it", what, Printable(name)));
}

Result<std::string> IdOf(ApiClient& api, const Collection& collection, const std::string& name,
                         const std::string& query) {
  if (IsUuid(name)) return name;
  const ApiList list = TRY(api.List(collection.path, collection.field, query));
  return IdIn(list.items, collection.what, name);
}

Result<std::string> PathOf(ApiClient& api, const Collection& collection, const std::string& name) {
  return fmt::format("{}/{}", collection.path, UrlPart(TRY(IdOf(api, collection, name))));
}

}  // namespace freehold::cli
