// Things by their names: what a person types is an id, or a name that only one thing has.
//
// Errors: kNotFound; kInvalidArgument for a name that several have. Threads: as the client.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "cli/control/api_client.h"

namespace freehold::cli {

// A list of the API whose items have "id" and "name".
struct Collection {
  const char* path;
  const char* field;
  const char* what;  // "cluster"
};
inline constexpr Collection kOrganizations{"/api/v1/organizations", "organizations",
                                           "organization"};
inline constexpr Collection kProjects{"/api/v1/projects", "projects", "project"};
inline constexpr Collection kClusters{"/api/v1/clusters", "clusters", "cluster"};
inline constexpr Collection kAccounts{"/api/v1/service-accounts", "service_accounts",
                                      "service account"};

// What has the shape of an id is taken for one, without asking.
Result<std::string> IdOf(ApiClient& api, const Collection& collection, const std::string& name,
                         const std::string& query = "");

// "/api/v1/clusters/ID" of it.
Result<std::string> PathOf(ApiClient& api, const Collection& collection, const std::string& name);

// What IdOf looks for in a list.
Result<std::string> IdIn(const boost::json::array& items, std::string_view what,
                         const std::string& name);

}  // namespace freehold::cli
