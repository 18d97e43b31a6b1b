#include <climits>
#include <cstdlib>

#include "cli/control/commands.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {

Status LogIn(const LoginFlags& flags) {
  RefuseCoreFiles();
  Login login;
  login.server = TRY(ServerOrigin(flags.url));
  if (!flags.ca.empty()) {
    char* path = realpath(flags.ca.c_str(), nullptr);
    if (path == nullptr) return ErrnoError(errno, flags.ca);
    login.ca_file = path;
    std::free(path);
  }
  login.api_key = TRY(ReadApiKey(flags.key_file));
  Login tried{login.server, login.ca_file, login.api_key.Clone()};
  // Whoever has a key may ask for this; only one that is not good is refused.
  ApiClient api(std::move(tried));
  TRY(api.Get("/api/v1/clusters?pagination.limit=1"));
  TRY(KeepLogin(login));
  Print(fmt::format("logged in to {}; kept in {}", login.server, TRY(LoginFile())));
  return {};
}

Status LogOut() {
  const bool was_there = TRY(ForgetLogin());
  Print(was_there ? "the login is forgotten; its API key is still good until it is deleted"
                  : "there was no login");
  return {};
}

}  // namespace freehold::cli
