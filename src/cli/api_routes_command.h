// `freehold internal api-routes`: the table of routes and roles, as docs/api/routes.md has it.
#pragma once

namespace freehold::cli {

int RunApiRoutes();
// `freehold internal openapi`: the same as OpenAPI, as docs/api/openapi.json has it.
int RunOpenApi();

}  // namespace freehold::cli
