// `freehold internal api-routes`: the table of routes and roles, as docs/api/routes.md has it.
#pragma once

namespace freehold::cli {

int RunApiRoutes();

}  // namespace freehold::cli
