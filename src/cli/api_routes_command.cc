#include "cli/api_routes_command.h"

#include "cli/output.h"
#include "fmt/format.h"
#include "server/api_server.h"
#include "server/openapi.h"

namespace freehold::cli {
namespace {

// Routes are printed, not called.
class NoStore : public control::Store {
 public:
  Status Change(const std::function<Status(control::Transaction&)>&) override { return Never(); }
  Status Read(const std::function<Status(control::Transaction&)>&) override { return Never(); }
  Result<control::StoreState> State() override { return Never(); }

 private:
  static Error Never() { return Error(ErrorCode::kInternal, "there is no store"); }
};

constexpr const char* kIntroduction =
    "# Routes\n\n"
    "Made by `freehold internal api-routes` from the tables that the server uses: do not edit.\n"
    "Operations have the names of the contract that they follow, where there is one.\n\n"
    "| method | path | operation | permission | what it does |\n|---|---|---|---|---|";

}  // namespace

int RunApiRoutes() {
  NoStore store;
  control::Nodes nodes(store, SystemClock(), {}, {});
  control::AuditLog log(store, SystemClock(), std::move(*SigningKey::Generate()));
  const server::ApiServer api(store, nodes, log, SystemClock(), {});
  Print(kIntroduction);
  for (const server::Route& route : api.routes()) {
    Print(fmt::format("| {} | `{}` | {} | `{}` | {} |", route.method, route.path,
                      route.operation.name, NameOf(route.permission), route.summary));
  }
  Print("\n## Roles\n\n| permission | roles that have it |\n|---|---|");
  for (int i = 0; i < control::kPermissionCount; ++i) {
    const auto permission = static_cast<control::Permission>(i);
    std::string roles;
    for (const control::Role role : control::AllRoles()) {
      if (May(role, permission))
        roles += fmt::format("{}`{}`", roles.empty() ? "" : ", ", NameOf(role));
    }
    Print(fmt::format("| `{}` | {} |", NameOf(permission), roles));
  }
  return 0;
}

int RunOpenApi() {
  NoStore store;
  control::Nodes nodes(store, SystemClock(), {}, {});
  control::AuditLog log(store, SystemClock(), std::move(*SigningKey::Generate()));
  const server::ApiServer api(store, nodes, log, SystemClock(), {});
  Print(server::PrettyJson(api.openapi()));
  return 0;
}

}  // namespace freehold::cli
