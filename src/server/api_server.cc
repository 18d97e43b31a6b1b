#include "server/api_server.h"

#include <algorithm>

#include "base/bytes.h"
#include "fmt/format.h"
#include "server/envelope.h"
#include "server/openapi.h"

namespace freehold::server {
namespace {

constexpr std::string_view kVersion = "2024-09-16";  // of the contract that this follows
constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kBasic = "Basic ";

// A key is sent whole, or in the two parts that HTTP's Basic scheme has: its id and its secret.
std::optional<std::string> ApiKeyOf(std::string_view header) {
  if (header.starts_with(kBearer)) return std::string(header.substr(kBearer.size()));
  if (!header.starts_with(kBasic)) return std::nullopt;
  const auto decoded = Base64Decode(header.substr(kBasic.size()));
  if (!decoded.ok()) return std::nullopt;
  const std::string_view parts = AsText(*decoded);
  const auto colon = parts.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return control::ApiKeyText(parts.substr(0, colon), parts.substr(colon + 1));
}

void Add(std::vector<Route>& all, std::vector<Route> some) {
  std::move(some.begin(), some.end(), std::back_inserter(all));
}

// YYYY-MM-DD, of any version up to ours.
Status CheckVersion(const HttpRequest& request) {
  const auto wanted = FindHeader(request.headers, "cc-version");
  if (!wanted.has_value()) return {};
  const bool shaped = wanted->size() == 10 && (*wanted)[4] == '-' && (*wanted)[7] == '-' &&
                      std::all_of(wanted->begin(), wanted->end(), [](unsigned char c) {
                        return c == '-' || (c >= '0' && c <= '9');
                      });
  if (shaped && *wanted <= kVersion) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("invalid Cc-Version; this server speaks {}", kVersion));
}

HttpResponse RateLimited(Duration wait) {
  HttpResponse response = ErrorResponse(Error(ErrorCode::kRateLimited, "rate limit exceeded"));
  response.headers.emplace_back(
      "retry-after", fmt::format("{}", std::chrono::ceil<std::chrono::seconds>(wait).count()));
  return response;
}

HttpResponse MethodNotAllowed(const std::string& allowed) {
  HttpResponse response =
      JsonResponse(405, {{"code", 12},
                         {"message", fmt::format("this path takes {} only", allowed)},
                         {"details", boost::json::array()}});
  response.headers.emplace_back("allow", allowed);
  return response;
}

}  // namespace

ApiServer::ApiServer(control::Store& store, control::Nodes& nodes, control::AuditLog& log,
                     const Clock& clock, ApiOptions options)
    : options_(std::move(options)),
      clock_(clock),
      credentials_(store, clock, options_.restore_wait),
      organizations_(store, clock),
      clusters_(store, clock, nodes.escrow()),
      project_clusters_(store, clock, clusters_),
      key_checks_(store, clusters_.trials(), clock),
      contacts_(store, clock, options_.webhook_key),
      custody_(store, clock),
      rate_limit_(options_.requests_per_second, clock),
      routes_([this, &nodes, &log] {
        std::vector<Route> all;
        Add(all, OrganizationRoutes(organizations_));
        Add(all, CredentialRoutes(credentials_));
        Add(all, ClusterRoutes(clusters_, options_));
        Add(all, CmekRoutes(clusters_));
        Add(all, ProjectCmekRoutes(project_clusters_));
        Add(all, KeyCheckRoutes(key_checks_));
        Add(all, CustodyRoutes(custody_));
        Add(all, NodeRoutes(nodes, clusters_, options_));
        Add(all, ContactRoutes(contacts_, options_));
        Add(all, AuditRoutes(log));
        Add(all, ProjectKeyRoutes(organizations_, clusters_));
        Add(all, ServiceRoutes(clusters_, options_));
        all.push_back({"GET",
                       "/api/v1/openapi.json",
                       {"GetOpenApi", "", "Empty"},
                       control::Permission::kRead,
                       "This API, as OpenAPI has it; for any key",
                       [this](const Call&) -> Result<boost::json::object> { return openapi_; }});
        return all;
      }()),
      openapi_(OpenApiOf(routes_)) {}

Result<control::Caller> ApiServer::Authenticate(const HttpRequest& request) {
  const auto header = FindHeader(request.headers, "authorization");
  const auto key = header.has_value() ? ApiKeyOf(*header) : std::nullopt;
  if (key.has_value()) return credentials_.Authenticate(*key);
  return Error(ErrorCode::kUnauthenticated, "send an API key: 'Authorization: Bearer fhk_...'");
}

HttpResponse ApiServer::Handle(const HttpRequest& request) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  const BootTime began = clock_.Boot();
  std::string_view route = "none";
  HttpResponse response = Answer(request, path, route);
  if (options_.requests != nullptr) {
    options_.requests->Count(route, request.method, response.status, clock_.Boot() - began);
  }
  return path.starts_with(kEnvelopedPaths) ? InEnvelope(std::move(response)) : response;
}

HttpResponse ApiServer::Answer(const HttpRequest& request, const std::string& path,
                               std::string_view& asked_for) {
  const std::string query =
      path.size() == request.target.size() ? "" : request.target.substr(path.size() + 1);

  auto caller = Authenticate(request);
  if (!caller.ok()) return ErrorResponse(caller.error());
  if (const Duration wait = rate_limit_.Take(caller->service_account); wait > Duration(0)) {
    return RateLimited(wait);
  }
  if (auto version = CheckVersion(request); !version.ok()) return ErrorResponse(version.error());

  std::string allowed;
  for (const Route& route : routes_) {
    auto parameters = MatchPath(route.path, path);
    if (!parameters.has_value()) continue;
    if (route.method != request.method) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      continue;
    }
    asked_for = route.path;
    auto parsed = ParseQuery(query);
    if (!parsed.ok()) return ErrorResponse(parsed.error());
    auto answer = route.handler(
        Call{std::move(*caller), std::move(*parameters), std::move(*parsed), request.body});
    return answer.ok() ? JsonResponse(200, *answer) : ErrorResponse(answer.error());
  }
  if (!allowed.empty()) return MethodNotAllowed(allowed);
  return ErrorResponse(Error(ErrorCode::kNotFound, "there is no such path in this API"));
}

}  // namespace freehold::server
