// ApiServer: an HTTP request in, the control plane's answer out.
//
// Matches the route, finds out who calls, keeps to their rate, calls the handler, renders. Knows
// HTTP and JSON; what a cluster is, control/ knows. Errors become google.rpc.Status; whoever sends
// no key, or none that is good, learns nothing but that. Threads: safe.
// Spec: docs/api/README.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/audit.h"
#include "control/cluster_custody.h"
#include "control/clusters.h"
#include "control/contacts.h"
#include "control/credentials.h"
#include "control/key_checks.h"
#include "control/nodes.h"
#include "control/organizations.h"
#include "control/project_clusters.h"
#include "net/address_policy.h"
#include "server/rate_limit.h"
#include "server/request_counter.h"
#include "server/route.h"

namespace freehold::server {

struct ApiOptions {
  int requests_per_second = 10;                        // of one service account
  Duration restore_wait = control::kUsualRestoreWait;  // docs/api/README.md
  // What customers are to trust: shown with a cluster.
  std::string account_id;
  std::map<KmsType, std::string> identities;  // templates, api/cluster_identity.h
  // What a host joins with; null: no agents are listened for.
  std::function<std::string(const std::string& id, const std::string& secret)> format_join_token;
  RequestCounter* requests = nullptr;  // outlives the server; null: nobody counts
  // How contacts can be reached.
  const control::WebhookKey* webhook_key = nullptr;  // outlives the server
  std::shared_ptr<const AddressPolicy> webhook_addresses = std::make_shared<const AddressPolicy>();
  bool sends_mail = false;
};

class ApiServer {
 public:
  // `store`, `nodes` and `log` outlive it.
  ApiServer(control::Store& store, control::Nodes& nodes, control::AuditLog& log,
            const Clock& clock, ApiOptions options);

  HttpResponse Handle(const HttpRequest& request);
  const std::vector<Route>& routes() const { return routes_; }
  // The routes as OpenAPI has them.
  const boost::json::object& openapi() const { return openapi_; }

 private:
  // Sets `route` to the one that is asked for, if the table has it.
  HttpResponse Answer(const HttpRequest& request, const std::string& path, std::string_view& route);
  Result<control::Caller> Authenticate(const HttpRequest& request);

  const ApiOptions options_;
  const Clock& clock_;
  control::Credentials credentials_;
  control::Organizations organizations_;
  control::Clusters clusters_;
  control::ProjectClusters project_clusters_;
  control::KeyChecks key_checks_;
  control::Contacts contacts_;
  control::ClusterCustody custody_;
  RateLimit rate_limit_;
  const std::vector<Route> routes_;
  const boost::json::object openapi_;
};

// {"region_specs": [...]}
Result<std::vector<api::RegionSpec>> ReadRegionSpecs(const std::string& text);
// {"action": "REVOKE"}, or another.
Result<api::CmekAction> ReadAction(const std::string& text);
// {"command": "start"}, or "stop".
Result<bool> ReadStart(const std::string& text);

// The parts of the table, by resource.
std::vector<Route> OrganizationRoutes(control::Organizations& organizations);
std::vector<Route> CredentialRoutes(control::Credentials& credentials);
std::vector<Route> ClusterRoutes(control::Clusters& clusters, const ApiOptions& options);
std::vector<Route> CmekRoutes(control::Clusters& clusters);
std::vector<Route> ProjectCmekRoutes(control::ProjectClusters& clusters);
std::vector<Route> KeyCheckRoutes(control::KeyChecks& checks);
std::vector<Route> ContactRoutes(control::Contacts& contacts, const ApiOptions& options);
std::vector<Route> CustodyRoutes(control::ClusterCustody& custody);
std::vector<Route> NodeRoutes(control::Nodes& nodes, control::Clusters& clusters,
                              const ApiOptions& options);
std::vector<Route> AuditRoutes(control::AuditLog& log);
// As other services have them: docs/api/other-services.md.
std::vector<Route> ProjectKeyRoutes(control::Organizations& organizations,
                                    control::Clusters& clusters);
std::vector<Route> ServiceRoutes(control::Clusters& clusters, const ApiOptions& options);

}  // namespace freehold::server
