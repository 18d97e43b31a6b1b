#include "cli/control/session.h"

#include "cli/output.h"

namespace freehold::cli {

Result<ApiClient> Connect(const CommonFlags& flags) {
  RefuseCoreFiles();
  return ApiClient(TRY(LoginToUse(flags.ca)));
}

void Show(const ApiAnswer& answer, const CommonFlags& flags,
          const std::function<void(const boost::json::object&)>& print) {
  flags.json ? Print(answer.text) : print(answer.body);
}

void Show(const ApiList& list, const CommonFlags& flags,
          const std::function<void(const boost::json::array&)>& print) {
  if (!flags.json) return print(list.items);
  for (const std::string& page : list.pages) Print(page);
}

}  // namespace freehold::cli
