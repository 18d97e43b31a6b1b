#include "kms/embedded/azure/azure_dialect.h"

#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "base/log.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/embedded/azure/administration.h"
#include "kms/embedded/azure/entra.h"
#include "kms/embedded/azure/routes.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

HttpResponse Json(int status, const json::object& body) {
  return {status,
          {{"content-type", "application/json; charset=utf-8"}, {"cache-control", "no-cache"}},
          status == 204 ? "" : json::serialize(body)};
}

HttpResponse Render(const AzureFailure& failure) {
  json::object error{{"code", failure.code}, {"message", failure.message}};
  if (!failure.inner.empty()) error["innererror"] = {{"code", failure.inner}};
  return Json(failure.status, {{"error", std::move(error)}});
}

// The vault's name; an address of this machine stands for the default vault.
std::string VaultHost(const HttpRequest& request) {
  const std::string header = LowerCase(FindHeader(request.headers, "host").value_or(""));
  if (header.starts_with('[')) return std::string(kDefaultVault);
  const std::string host = header.substr(0, header.find(':'));
  return host == "127.0.0.1" || host == "localhost" ? std::string(kDefaultVault) : host;
}

std::string BearerToken(const HttpRequest& request) {
  const std::string header = FindHeader(request.headers, "authorization").value_or("");
  return LowerCase(header.substr(0, 7)) == "bearer " ? header.substr(7) : "";
}

AzureResult<json::object> ParseBody(const std::string& body) {
  if (body.empty()) return json::object();
  boost::system::error_code error;
  json::value value = json::parse(body, error);
  if (error || !value.is_object()) return BadParameter("The request body is no JSON object.");
  return std::move(value.get_object());
}

class AzureDialect : public Dialect {
 public:
  AzureDialect(std::unique_ptr<StateStore<State>> store, const MasterKey& master,
               const Clock& clock)
      : store_(std::move(store)), master_(master), clock_(clock), entra_(*store_, master) {}

  std::string_view name() const override { return "azure"; }
  std::string_view source() const override { return "vault.azure.net"; }

  std::string OperationOf(const HttpRequest& request) const override {
    const auto route = RouteOf(request);
    if (!route) return "";
    if (!route->entra.empty()) return route->entra;
    return route->operation == nullptr ? "Unknown" : std::string(route->operation->name);
  }

  HttpResponse Handle(const HttpRequest& request, DialectCall& call) override {
    const Route route = RouteOf(request).value_or(Route());
    HttpResponse response =
        route.entra.empty() ? HandleVault(request, route, call) : HandleEntra(request, route, call);
    response.headers.emplace_back("x-ms-request-id", call.request_id);
    return response;
  }

  HttpResponse Throttled() const override {
    HttpResponse response =
        Render({429, "Throttled", "",
                "Request was not processed because too many requests were received."});
    response.headers.emplace_back("retry-after", "1");
    return response;
  }
  HttpResponse Failed() const override {
    return Render({500, "InternalServerError", "", "An error occurred in the service."});
  }

  Status DoWhatIsDue(WallTime now) override;
  Result<json::object> Obey(const json::object& command) override {
    return Administer(*store_, master_, clock_.Wall(), command);
  }
  Status WriteFiles(const std::string& directory, const std::string& url) override;

 private:
  HttpResponse HandleEntra(const HttpRequest& request, const Route& route, DialectCall& call) {
    if (route.entra == "GetToken") return entra_.GiveToken(route.tenant, request, Url(), call);
    call.read_only = true;
    if (route.entra == "OpenIdConfiguration") return entra_.Describe(route.tenant, Url());
    if (route.entra == "TokenSigningKeys") return entra_.PublicKeys();
    return entra_.DescribeInstances(Url());
  }

  HttpResponse HandleVault(const HttpRequest& request, const Route& route, DialectCall& call);
  VaultResult RunAtVault(const HttpRequest& request, const Route& route, const Vault& vault,
                         std::shared_ptr<const State> state, DialectCall& call);

  std::string Url() const {
    const std::lock_guard lock(mutex_);
    return url_;
  }

  const std::unique_ptr<StateStore<State>> store_;
  const MasterKey& master_;
  const Clock& clock_;
  Entra entra_;
  mutable std::mutex mutex_;
  std::string url_;
};

std::string AudienceOf(const Vault& vault) {
  return "https://" + vault.host.substr(vault.host.find('.') + 1);
}

HttpResponse AzureDialect::HandleVault(const HttpRequest& request, const Route& route,
                                       DialectCall& call) {
  const auto state = store_->Read();
  const auto found = state->vaults.find(VaultHost(request));
  VaultResult result = AzureFailure{404, "VaultNotFound", "", "There is no such vault."};
  if (found != state->vaults.end()) {
    result = RunAtVault(request, route, found->second, state, call);
  }
  if (result.ok()) return Json(result->status, result->body);
  const AzureFailure& failure = result.error();
  call.error_code = failure.inner.empty() ? failure.code : failure.inner;
  call.error_message = failure.message.substr(0, failure.message.find('\r'));
  HttpResponse response = Render(failure);
  if (failure.status == 401 && found != state->vaults.end()) {
    response.headers.emplace_back(
        "www-authenticate", fmt::format("Bearer authorization=\"{}/{}\", resource=\"{}\"", Url(),
                                        found->second.tenant, AudienceOf(found->second)));
  }
  return response;
}

VaultResult AzureDialect::RunAtVault(const HttpRequest& request, const Route& route,
                                     const Vault& vault, std::shared_ptr<const State> state,
                                     DialectCall& call) {
  const std::string token = BearerToken(request);
  if (token.empty()) return Unauthorized("AKV10000: Request is missing a Bearer or PoP token.");
  const Caller caller = AZURE_TRY(entra_.Check(token, AudienceOf(vault), vault.tenant, call.now));
  call.caller = caller.application;
  if (!route.key.empty()) {
    call.key = Printable(fmt::format("https://{}/keys/{}{}{}", vault.host, route.key,
                                     route.version.empty() ? "" : "/", route.version));
  }
  if (vault.firewall_denies) {
    return AzureFailure{
        403, "Forbidden", "ForbiddenByFirewall",
        fmt::format("Client address is not authorized and caller is not a trusted "
                    "service.\r\nClient address: {}\r\nCaller: appid={};oid={}\r\n"
                    "Vault: {}",
                    request.peer, caller.application, caller.object_id, vault.host)};
  }
  if (route.operation == nullptr) {
    return AzureFailure{404, "NotFound", "", "The request's path is not known here."};
  }
  if (request.target.find("api-version=") == std::string::npos) {
    return AzureFailure{400, "MissingApiVersionParameter", "", "The api-version is missing."};
  }
  call.read_only = route.operation->read_only;
  AZURE_TRY(Authorize(*state, caller, vault, LowerCase(route.key), route.operation->action));
  auto body = AZURE_TRY(ParseBody(request.body));
  VaultCall vault_call{*store_,       master_,         state,    vault, route.key,
                       route.version, std::move(body), call.now, ""};
  auto result = route.operation->run(vault_call);
  if (!vault_call.algorithm.empty()) call.parameters["algorithm"] = vault_call.algorithm;
  return result;
}

bool IsDue(const State& state, WallTime now) {
  for (const auto& [host, vault] : state.vaults) {
    for (const auto& [id, key] : vault.deleted_keys) {
      if (key.deleted + std::chrono::hours(24 * kRecoverableDays) <= now) return true;
    }
    for (const auto& [id, key] : vault.keys) {
      const auto next = NextRotation(key);
      if (next && *next <= now) return true;
    }
  }
  return false;
}

Status AzureDialect::DoWhatIsDue(WallTime now) {
  if (!IsDue(*store_->Read(), now)) return {};
  return store_->Update<Status>(
      [&](State& state) -> Status {
        for (auto& [host, vault] : state.vaults) {
          std::erase_if(vault.deleted_keys, [&](const auto& each) {
            return each.second.deleted + std::chrono::hours(24 * kRecoverableDays) <= now;
          });
          for (auto& [id, key] : vault.keys) {
            const auto next = NextRotation(key);
            if (!next || now < *next) continue;
            auto version = NextVersion(master_, key, now);
            if (!version.ok()) return Error(ErrorCode::kInternal, version.error().message);
            key.versions.push_back(*std::move(version));
          }
        }
        return {};
      },
      [](const Error& error) -> Status { return error; });
}

Status AzureDialect::WriteFiles(const std::string& directory, const std::string& url) {
  {
    const std::lock_guard lock(mutex_);
    url_ = url;
  }
  const auto state = store_->Read();
  const std::string folder = directory + "/azure";
  TRY(MakeDirectories(folder, 0700));
  for (const auto& [file, name] :
       {std::pair("customer", "customer-admin"), std::pair("operator", "operator")}) {
    const Application* application = FindApplication(*state, name);
    if (application == nullptr) continue;
    auto secret = SecretOf(*application, master_);
    if (!secret.ok()) continue;
    std::string text = fmt::format(
        "AZURE_TENANT_ID={}\nAZURE_CLIENT_ID={}\nAZURE_CLIENT_SECRET={}\n"
        "AZURE_AUTHORITY_HOST={}\nFREEHOLD_AZURE_VAULT_ENDPOINT={}\nFREEHOLD_AZURE_CA_FILE={}/"
        "ca.pem\n",
        application->tenant, application->id, AsText(secret->ExposeSecret()), url, url, directory);
    const Status written = ReplaceFile(fmt::format("{}/{}.env", folder, file), AsBytes(text), 0600);
    WipeMemory(text.data(), text.size());
    TRY(written);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Dialect>> OpenAzureDialect(const std::string& directory,
                                                  const MasterKey& master, const Clock& clock) {
  auto store =
      TRY(StateStore<State>::Open(directory + "/azure-store", master, EncodeState, DecodeState));
  TRY(MakeFirstState(*store, master, clock.Wall()));
  return std::unique_ptr<Dialect>(std::make_unique<AzureDialect>(std::move(store), master, clock));
}

}  // namespace freehold::embedded::azure
