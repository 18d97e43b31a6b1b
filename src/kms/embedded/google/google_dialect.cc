#include "kms/embedded/google/google_dialect.h"

#include <mutex>

#include "base/log.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/embedded/google/accounts.h"
#include "kms/embedded/google/api.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/tokens.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

HttpResponse JsonResponse(int status, const json::object& body) {
  return {status, {{"content-type", "application/json; charset=UTF-8"}}, json::serialize(body)};
}

HttpResponse ErrorResponse(const GoogleFailure& failure) {
  json::object error{
      {"code", failure.code}, {"message", failure.message}, {"status", failure.status}};
  if (!failure.details.empty()) error["details"] = failure.details;
  return JsonResponse(failure.code, {{"error", std::move(error)}});
}

GoogleResult<json::object> ParseBody(const std::string& body) {
  boost::system::error_code failure;
  // Official clients write an empty message as "".
  auto value = json::parse(body.empty() || body == R"("")" ? "{}" : body, failure);
  if (failure || !value.is_object()) {
    return InvalidArgument("Invalid JSON payload received.");
  }
  return std::move(value.get_object());
}

bool IsToken(const HttpRequest& request) {
  return request.target == "/token" || request.target.starts_with("/token?");
}

bool IsDue(const CryptoKey& key, WallTime now) {
  if (key.next_rotation.has_value() && *key.next_rotation <= now) return true;
  for (const auto& [number, version] : key.versions) {
    if (version.destroy.has_value() && *version.destroy <= now) return true;
  }
  return false;
}

Status Advance(const MasterKey& master, const std::string& name, CryptoKey& key, WallTime now) {
  for (auto& [number, version] : key.versions) {
    if (!version.destroy.has_value() || *version.destroy > now) continue;
    version.state = VersionState::kDestroyed;
    version.destroyed = version.destroy;
    version.destroy.reset();
    version.material.clear();
    LogInfo("kms", fmt::format("{} is destroyed, its key material erased",
                               FormatVersionName(name, number)));
  }
  if (!key.next_rotation.has_value() || *key.next_rotation > now) return {};
  const int number = key.versions.empty() ? 1 : key.versions.rbegin()->first + 1;
  auto version = NewVersion(master, name, number, now);
  if (!version.ok()) return Error(ErrorCode::kInternal, version.error().message);
  key.versions[number] = *std::move(version);
  key.primary = number;
  key.next_rotation.reset();
  if (key.rotation_period > 0) {
    key.next_rotation = now + std::chrono::seconds(key.rotation_period);
  }
  return {};
}

class GoogleDialect : public Dialect {
 public:
  GoogleDialect(std::unique_ptr<Store> store, const MasterKey& master)
      : store_(std::move(store)), master_(master) {}

  std::string_view name() const override { return "google"; }
  std::string_view source() const override { return "cloudkms.googleapis.com"; }

  std::string OperationOf(const HttpRequest& request) const override {
    if (IsToken(request)) return "Token";
    if (!request.target.starts_with("/v1/projects/")) return "";
    const ApiRow* row = FindApi(request.method, ParseTarget(request.target));
    return row == nullptr ? "Unknown" : std::string(row->name);
  }

  HttpResponse Handle(const HttpRequest& request, DialectCall& call) override {
    if (IsToken(request)) return AnswerGrant(request, *store_->Read(), master_, call);
    const Answer answer = Run(request, call);
    if (answer.ok()) return JsonResponse(200, *answer);
    call.error_code = answer.error().status;
    call.error_message = answer.error().message;
    return ErrorResponse(answer.error());
  }

  HttpResponse Throttled() const override {
    return ErrorResponse(
        {429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Cryptographic requests'."});
  }
  HttpResponse Failed() const override { return ErrorResponse(Internal()); }

  Status DoWhatIsDue(WallTime now) override {
    bool due = false;
    const auto present = store_->Read();  // others change it meanwhile: this one has to be held
    for (const auto& [name, key] : present->keys) due |= IsDue(key, now);
    if (!due) return {};
    return Change([&](State& state) -> Status {
      for (auto& [name, key] : state.keys) TRY(Advance(master_, name, key, now));
      return {};
    });
  }

  Result<json::object> Obey(const json::object& command) override {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no command of Google's dialect",
                                                          Printable(TextIn(command, "command"))));
  }

  Status WriteFiles(const std::string& directory, const std::string& url) override {
    {
      const std::lock_guard lock(mutex_);
      token_uri_ = url + "/token";
    }
    const auto state = store_->Read();
    for (const auto& [name, first] : state->first_accounts) {
      const auto account = state->accounts.find(first.email);
      if (account == state->accounts.end()) continue;  // deleted since
      const SecretBytes pem = TRY(UnsealFirstKey(master_, first));
      const json::object file = CredentialsFile(first.email, account->second.project, first.key_id,
                                                pem, account->second.unique_id, url + "/token");
      TRY(ReplaceFile(fmt::format("{}/google/{}.json", directory, name),
                      AsBytes(json::serialize(file) + "\n"), 0600));
    }
    return {};
  }

  // Projects that are not there yet.
  Status MakeProjects() {
    if (!store_->Read()->projects.empty()) return {};
    return Change([&](State& state) -> Status {
      state.first_accounts["customer"] =
          TRY(AddProject(state, master_, "customer-project", "customer-owner"));
      state.first_accounts["operator"] =
          TRY(AddProject(state, master_, "operator-project", "operator-owner"));
      return {};
    });
  }

 private:
  Status Change(const std::function<Status(State&)>& change) {
    return store_->Update<Status>(change, [](const Error& error) -> Status { return error; });
  }

  std::string TokenUri() const {
    const std::lock_guard lock(mutex_);
    return token_uri_;
  }

  Answer Run(const HttpRequest& request, DialectCall& call) {
    const Target target = ParseTarget(request.target);
    const ApiRow* row = FindApi(request.method, target);
    call.parameters = {{"name", Printable(target.resource.substr(0, 512))}};
    const auto state = store_->Read();
    const Caller caller = GOOGLE_TRY(Authenticate(request, *state, master_, call.now));
    call.caller = caller.email;
    if (row == nullptr) {
      return GoogleFailure{404, "NOT_FOUND", "This KMS knows no such method."};
    }
    call.read_only = row->is_read_only();
    if (!AllowsScope(caller.scope, row->is_kms())) {
      return GoogleFailure{
          403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.",
          json::array{json::object{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                                   {"reason", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
                                   {"domain", "googleapis.com"}}}};
    }
    const json::object body = GOOGLE_TRY(ParseBody(request.body));
    Operation op{*store_, master_, state, target, body, call, TokenUri()};
    return row->run(op);
  }

  std::unique_ptr<Store> store_;
  const MasterKey& master_;
  mutable std::mutex mutex_;
  std::string token_uri_;
};

}  // namespace

Result<std::unique_ptr<Dialect>> OpenDialect(const std::string& directory,
                                             const MasterKey& master) {
  TRY(MakeDirectories(directory + "/google", 0700));
  auto store = TRY(Store::Open(directory + "/google/store", master, EncodeState, DecodeState));
  auto dialect = std::make_unique<GoogleDialect>(std::move(store), master);
  TRY(dialect->MakeProjects());
  return std::unique_ptr<Dialect>(std::move(dialect));
}

}  // namespace freehold::embedded::google
