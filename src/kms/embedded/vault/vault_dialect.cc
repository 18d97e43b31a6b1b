#include "kms/embedded/vault/vault_dialect.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/vault/acl.h"
#include "kms/embedded/vault/operation.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr std::string_view kPrefix = "/v1/";
constexpr std::string_view kRoot = "root";

HttpResponse Json(int status, const json::object& body) {
  return {status, {{"content-type", "application/json"}}, json::serialize(body)};
}

HttpResponse ErrorAnswer(int status, const std::string& text) {
  json::array errors;
  if (!text.empty()) errors.emplace_back(text);
  return Json(status, {{"errors", std::move(errors)}});
}

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

// Whether anybody may ask, with no token.
bool NeedsNoToken(const Operation& op) {
  const auto& parts = op.parts;
  if (parts[0] == "sys") {
    return parts.size() == 2 &&
           (parts[1] == "health" || parts[1] == "seal-status" || parts[1] == "unseal");
  }
  return parts[0] == "auth" && parts.size() == 3 && parts[2] == "login";
}

// What every token may do with itself, as Vault's "default" policy says.
bool IsAboutItself(const Operation& op) {
  return op.parts.size() == 3 && op.parts[0] == "auth" && op.parts[1] == "token" &&
         op.parts[2].ends_with("-self");
}

std::string CapabilityOf(const std::string& method) {
  if (method == "GET") return "read";
  if (method == "LIST") return "list";
  return method == "DELETE" ? "delete" : "update";
}

bool IsPermitted(const Operation& op, const Token& token) {
  const std::string path = op.path.substr(op.name_space.size());
  // A token of a parent namespace works in its children.
  if (!op.name_space.starts_with(token.name_space)) return false;
  for (const std::string& name : token.policies) {
    if (name == kRoot) return true;
    const auto policy = op.state->policies.find(token.name_space + name);
    if (policy == op.state->policies.end()) continue;
    const auto rules = ParseAcl(policy->second);
    // Paths in a policy are relative to the policy's namespace.
    const std::string relative = op.path.substr(token.name_space.size());
    if (rules.ok() && Allows(*rules, relative, CapabilityOf(op.method), op.body)) return true;
  }
  return false;
}

class VaultDialect : public Dialect {
 public:
  VaultDialect(std::string directory, const MasterKey& master, Exchange exchange,
               std::unique_ptr<StateStore<VaultState>> store)
      : directory_(std::move(directory)),
        master_(master),
        exchange_(std::move(exchange)),
        store_(std::move(store)) {}

  std::string_view name() const override { return "vault"; }
  std::string_view source() const override { return "vault"; }

  std::string OperationOf(const HttpRequest& request) const override {
    if (!request.target.starts_with(kPrefix)) return "";
    const std::string_view path = std::string_view(request.target).substr(kPrefix.size());
    if (path.starts_with("projects/")) return "";  // Google's
    const auto parts = SplitPath(path.substr(0, path.find('?')));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      for (const std::string_view operation :
           {"encrypt", "decrypt", "rewrap", "datakey", "login"}) {
        if (parts[i] == operation) return std::string(operation);
      }
    }
    return parts.empty() ? "" : parts.size() > 1 ? parts[0] + "/" + parts[1] : parts[0];
  }

  HttpResponse Handle(const HttpRequest& request, DialectCall& call) override {
    Operation op{*store_, master_, store_->Read(), request.method, "",       "", {},
                 {},      "",      call,           exchange_,      changing_};
    if (auto failure = Parse(request, op); failure.has_value()) return *failure;
    const auto answer = Run(request, op);
    call.read_only = op.method == "GET" || op.method == "LIST";
    if (!answer.ok()) {
      call.error_code = fmt::format("HTTP {}", answer.error().status);
      call.error_message = answer.error().text;
      return ErrorAnswer(answer.error().status, answer.error().text);
    }
    if (answer->empty()) return {204, {}, ""};
    json::object body{{"request_id", call.request_id}, {"lease_id", ""},  {"renewable", false},
                      {"lease_duration", 0},           {"data", nullptr}, {"wrap_info", nullptr},
                      {"warnings", nullptr},           {"auth", nullptr}};
    for (const auto& [field, value] : *answer) body[field] = value;
    return Json(200, body);
  }

  HttpResponse Throttled() const override {
    return ErrorAnswer(429, "request path \"\": rate limit quota exceeded");
  }
  HttpResponse Failed() const override { return ErrorAnswer(500, "internal error"); }

  Status DoWhatIsDue(WallTime now) override { return RotateWhatIsDue(*store_, master_, now); }

  Result<json::object> Obey(const json::object&) override {
    return Error(ErrorCode::kInvalidArgument, "Vault is administered through its own API");
  }

  Status WriteFiles(const std::string& directory, const std::string& url) override {
    const std::string token = directory + "/vault/root-token";
    const Bytes secret = TRY(ReadRegularFile(token, 4096));
    return ReplaceFile(directory + "/vault/customer.env",
                       AsBytes(fmt::format("# Written by freehold kms serve at every start.\n"
                                           "export VAULT_ADDR={}\nexport VAULT_CACERT={}/ca.pem\n"
                                           "export VAULT_TOKEN={}\n",
                                           url, directory, AsText(secret))),
                       0600);
  }

 private:
  // Into `op`; an answer when the request is not worth an operation.
  std::optional<HttpResponse> Parse(const HttpRequest& request, Operation& op) const {
    std::string path = request.target.substr(kPrefix.size());
    if (const auto query = path.find('?'); query != std::string::npos) {
      if (path.substr(query + 1) == "list=true" && op.method == "GET") op.method = "LIST";
      path.erase(query);
    }
    if (op.method == "PUT") op.method = "POST";
    op.name_space = FindHeader(request.headers, "x-vault-namespace").value_or("");
    while (op.name_space.ends_with('/')) op.name_space.pop_back();
    if (!op.name_space.empty()) op.name_space += '/';
    op.parts = SplitPath(path);
    if (op.parts.empty()) return ErrorAnswer(404, "");
    op.path = op.name_space;
    for (std::size_t i = 0; i < op.parts.size(); ++i) op.path += (i == 0 ? "" : "/") + op.parts[i];
    if (request.body.empty()) return std::nullopt;
    boost::system::error_code failure;
    auto body = json::parse(request.body, failure);
    if (failure || !body.is_object()) return ErrorAnswer(400, "failed to parse JSON input");
    op.body = std::move(body.get_object());
    return std::nullopt;
  }

  VaultAnswer Run(const HttpRequest& request, Operation& op) const {
    if (!NeedsNoToken(op) || op.parts[0] == "auth") {
      if (op.state->sealed) return VaultFailure{503, "Vault is sealed"};
    }
    if (!NeedsNoToken(op)) VAULT_TRY(Authorize(request, op));
    if (op.parts[0] == "sys") return RunSystem(op);
    if (op.parts[0] == "auth") return RunAuth(op);
    // The longest mount that the path begins with.
    std::string mount;
    for (std::size_t i = 0; i < op.parts.size(); ++i) {
      mount = i == 0 ? op.name_space + op.parts[0] : mount + "/" + op.parts[i];
      const auto found = op.state->mounts.find(mount);
      if (found == op.state->mounts.end()) continue;
      const auto run = found->second == "keymgmt" ? RunKeymgmt : RunTransit;
      return run(op, mount,
                 {op.parts.begin() + static_cast<std::ptrdiff_t>(i) + 1, op.parts.end()});
    }
    return NoRoute(op);
  }

  VaultStatus Authorize(const HttpRequest& request, Operation& op) const {
    std::string secret = FindHeader(request.headers, "x-vault-token").value_or("");
    const std::string bearer = FindHeader(request.headers, "authorization").value_or("");
    if (secret.empty() && bearer.starts_with("Bearer ")) secret = bearer.substr(7);
    op.token_digest = DigestOf(secret);
    const auto found = op.state->tokens.find(op.token_digest);
    const bool lives = found != op.state->tokens.end() &&
                       (!found->second.expires.has_value() || *found->second.expires > op.call.now);
    if (!lives) return VaultFailure{403, "permission denied"};
    op.call.caller = found->second.display_name;
    if (IsAboutItself(op) || IsPermitted(op, found->second)) return {};
    return VaultFailure{403, "1 error occurred:\n\t* permission denied\n\n"};
  }

  const std::string directory_;
  const MasterKey& master_;
  const Exchange exchange_;
  std::mutex changing_;
  const std::unique_ptr<StateStore<VaultState>> store_;
};

// The root token and the unseal key of a first start.
Status Initialize(const std::string& directory, StateStore<VaultState>& store, WallTime now) {
  if (!store.Read()->unseal_digest.empty()) return {};
  const std::string root = NewSecret("hvs.");
  const std::string unseal = Base64Encode(RandomBytes(32));
  TRY(MakeDirectories(directory + "/vault", 0700));
  TRY(ReplaceFile(directory + "/vault/root-token", AsBytes(root), 0600));
  TRY(ReplaceFile(directory + "/vault/unseal-key", AsBytes(unseal), 0600));
  return store.Update<Status>(
      [&](VaultState& state) -> Status {
        Token token;
        token.display_name = "root";
        token.accessor = NewUuid();
        token.policies = {std::string(kRoot)};
        token.created = now;
        state.tokens[DigestOf(root)] = token;
        state.unseal_digest = DigestOf(unseal);
        return {};
      },
      [](const Error& error) -> Status { return error; });
}

}  // namespace

Result<std::unique_ptr<Dialect>> NewVaultDialect(const std::string& directory,
                                                 const MasterKey& master, Exchange exchange,
                                                 WallTime now) {
  auto store = TRY(StateStore<VaultState>::Open(directory + "/vault.store", master,
                                                EncodeVaultState, DecodeVaultState));
  TRY(Initialize(directory, *store, now));
  return std::unique_ptr<Dialect>(
      std::make_unique<VaultDialect>(directory, master, std::move(exchange), std::move(store)));
}

}  // namespace freehold::embedded::vault
