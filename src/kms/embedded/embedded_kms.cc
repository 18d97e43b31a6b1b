#include "kms/embedded/embedded_kms.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "kms/embedded/accounts.h"
#include "kms/embedded/authenticate.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/kms_api.h"
#include "kms/embedded/kms_operation.h"
#include "kms/embedded/query_protocol.h"
#include "net/http_server.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr std::string_view kTargetPrefix = "TrentService.";

HttpResponse JsonAnswer(const json::object& body, const std::string& request_id) {
  return {200,
          {{"content-type", "application/x-amz-json-1.1"}, {"x-amzn-requestid", request_id}},
          json::serialize(body)};
}

HttpResponse JsonError(const AwsFailure& failure, const std::string& request_id) {
  const json::object body{{"__type", failure.code}, {"message", failure.message}};
  HttpResponse response = JsonAnswer(body, request_id);
  response.status = failure.status;
  response.headers.emplace_back("x-amzn-errortype", failure.code);
  return response;
}

HttpResponse XmlAnswer(int status, std::string body, const std::string& request_id) {
  return {
      status, {{"content-type", "text/xml"}, {"x-amzn-requestid", request_id}}, std::move(body)};
}

AwsResult<json::object> ParseBody(const std::string& body) {
  boost::system::error_code error;
  json::value value = json::parse(body.empty() ? "{}" : body, error);
  if (error || !value.is_object()) {
    return AwsFailure{"SerializationException", "The body is not a JSON object."};
  }
  return std::move(value.get_object());
}

HttpResponse NoAnswer() { return {kCloseWithoutAnswer, {}, ""}; }

// The failure that a fault orders, or success.
AwsStatus FailureOf(const Fault& fault) {
  if (fault.fail) return InternalFailure();
  if (fault.throttle) return AwsFailure{"ThrottlingException", "Rate exceeded"};
  return {};
}

bool IsReadOnlyQuery(std::string_view operation) {
  return operation.starts_with("Get") || operation.starts_with("List") || operation == "AssumeRole";
}

bool IsDue(const State& state, const Key& key, WallTime now) {
  if (key.waits_for_replicas()) return ReplicasOf(state, key).empty();
  if ((key.deletion && *key.deletion <= now) || (key.valid_to && *key.valid_to <= now)) return true;
  const bool rotates = key.rotates && !key.is_replica();
  return rotates && key.state == KeyState::kEnabled && key.next_rotation <= now;
}

}  // namespace

Result<std::unique_ptr<EmbeddedKms>> EmbeddedKms::Open(const std::string& directory,
                                                       const Clock& clock) {
  auto store = TRY(KeyStore::Open(directory));
  std::unique_ptr<EmbeddedKms> kms(new EmbeddedKms(std::move(store), clock));
  const auto state = kms->store_->Read();
  for (const auto& [account, profile] :
       {std::pair(kCustomerAccount, "customer"), std::pair(kOperatorAccount, "operator")}) {
    if (state->accounts.contains(account)) continue;
    TRY(embedded::AddAccount(*kms->store_, account, profile, clock.Wall()));
  }
  if (!PathExists(directory + "/credentials")) TRY(WriteCredentials(*kms->store_));
  TRY(kms->events_.Open(directory));
  TRY(kms->DoWhatIsDue());
  return kms;
}

HttpResponse EmbeddedKms::Handle(const HttpRequest& request) {
  if (auto done = DoWhatIsDue(); !done.ok()) LogError("kms", done.error().message());
  for (const auto& dialect : dialects_) {
    const std::string operation = dialect->OperationOf(request);
    if (!operation.empty()) return HandleDialect(*dialect, operation, request);
  }
  Call call;
  call.now = Now();
  call.request_id = NewUuid();
  if (const auto target = FindHeader(request.headers, "x-amz-target")) {
    return HandleKms(request, *target, call);
  }
  return HandleQuery(request, call);
}

HttpResponse EmbeddedKms::HandleKms(const HttpRequest& request, const std::string& target,
                                    Call& call) {
  const std::string operation =
      target.starts_with(kTargetPrefix) ? target.substr(kTargetPrefix.size()).substr(0, 64) : "";
  const Fault fault = faults_.For(operation);
  faults_.Wait(fault.latency);
  if (fault.unreachable) return NoAnswer();
  const KmsOperationRow* row = FindKmsOperation(operation);
  const auto run = [&]() -> KmsAnswer {
    AWS_TRY(FailureOf(fault));
    AWS_TRY(Authenticate(request, "kms", *store_, call));
    if (request.method != "POST" || row == nullptr) return NoSuchKmsOperation(operation);
    const json::object body = AWS_TRY(ParseBody(request.body));
    call.parameters = LoggedParameters(body);
    KmsOperation op{*store_, store_->Read(), Params(body), call};
    return row->run(op);
  };
  const KmsAnswer answer = run();
  const std::string agent = FindHeader(request.headers, "user-agent").value_or("");
  events_.Append(call, {"kms", operation, request.peer, agent, row != nullptr && row->read_only,
                        answer.ok() ? nullptr : &answer.error()});
  return answer.ok() ? JsonAnswer(*answer, call.request_id)
                     : JsonError(answer.error(), call.request_id);
}

HttpResponse EmbeddedKms::HandleQuery(const HttpRequest& request, Call& call) {
  const Form form = Form::Parse(request.body);
  const std::string operation = form.Get("Action").substr(0, 64);
  const bool is_sts = operation == "AssumeRole" || operation == "GetCallerIdentity";
  const std::string service = is_sts || form.Get("Version") != "2010-05-08" ? "sts" : "iam";
  const Fault fault = faults_.For(operation);
  faults_.Wait(fault.latency);
  if (fault.unreachable) return NoAnswer();
  const auto run = [&]() -> QueryAnswer {
    if (request.method != "POST" || operation.empty()) {
      return AwsFailure{"InvalidAction", "The request names no operation."};
    }
    AWS_TRY(FailureOf(fault));
    AWS_TRY(Authenticate(request, service, *store_, call));
    QueryOperation op{*store_, store_->Read(), form, call};
    if (operation == "AssumeRole") return AssumeRole(op);
    if (operation == "GetCallerIdentity") return GetCallerIdentity(op);
    if (service == "iam") return RunIam(operation, op);
    return AwsFailure{"InvalidAction",
                      fmt::format("Could not find operation {} for version 2011-06-15", operation)};
  };
  const QueryAnswer answer = run();
  const AwsFailure failure = answer.ok() ? AwsFailure() : AsQueryFailure(answer.error());
  if (!operation.empty()) {
    const std::string agent = FindHeader(request.headers, "user-agent").value_or("");
    events_.Append(call, {service, operation, request.peer, agent, IsReadOnlyQuery(operation),
                          answer.ok() ? nullptr : &failure});
  }
  if (!answer.ok()) {
    return XmlAnswer(failure.status, QueryErrorXml(service, failure, call.request_id),
                     call.request_id);
  }
  return XmlAnswer(200, QueryAnswerXml(service, operation, *answer, call.request_id),
                   call.request_id);
}

HttpResponse EmbeddedKms::HandleDialect(Dialect& dialect, const std::string& operation,
                                        const HttpRequest& request) {
  const Fault fault = faults_.For(operation);
  faults_.Wait(fault.latency);
  if (fault.unreachable) return NoAnswer();
  DialectCall call;
  call.now = Now();
  call.request_id = NewUuid();
  HttpResponse response;
  if (fault.fail || fault.throttle) {
    response = fault.fail ? dialect.Failed() : dialect.Throttled();
    call.error_code = fmt::format("HTTP {}", response.status);
  } else {
    response = dialect.Handle(request, call);
  }
  events_.Append(call, dialect.source(), operation, request);
  return response;
}

Dialect* EmbeddedKms::Find(std::string_view name) const {
  for (const auto& dialect : dialects_) {
    if (dialect->name() == name) return dialect.get();
  }
  return nullptr;
}

Status EmbeddedKms::DoWhatIsDue() {
  const WallTime now = Now();
  for (const auto& dialect : dialects_) TRY(dialect->DoWhatIsDue(now));
  const auto current = store_->Read();
  bool due = false;
  for (const auto& [id, key] : current->keys) due |= IsDue(*current, key, now);
  if (!due) return {};
  const auto updated = store_->Update([&](State& state) -> AwsStatus {
    for (auto it = state.keys.begin(); it != state.keys.end();) {
      Key& key = it->second;
      if (key.deletion && *key.deletion <= now) {
        std::erase_if(state.grants, [&](const auto& grant) { return grant.second.IsOf(key); });
        std::erase_if(state.aliases, [&](const auto& alias) { return alias.second.IsOf(key); });
        LogInfo("kms", fmt::format("{} is deleted, its key material erased", key.Arn()));
        it = state.keys.erase(it);
        continue;
      }
      if (key.waits_for_replicas() && IsDue(state, key, now)) {
        key.deletion = now + std::chrono::hours(24 * key.pending_days);
      } else if (key.valid_to && *key.valid_to <= now) {
        LogInfo("kms", fmt::format("{}: its imported material has expired", key.Arn()));
        const KeyState before = key.state;
        ForgetImported(key);
        if (before == KeyState::kPendingDeletion) key.state = before;
      } else if (IsDue(state, key, now)) {
        auto material = NewMaterial(*store_, "AUTOMATIC", now);
        if (!material.ok()) return InternalFailure();
        key.materials.push_back(*std::move(material));
        key.next_rotation = now + std::chrono::hours(24 * key.rotation_days);
        ShareMaterial(state, key);
      }
      ++it;
    }
    return {};
  });
  if (!updated.ok()) return Error(ErrorCode::kIo, updated.error().message);
  return {};
}

Status EmbeddedKms::ExpireSessions() {
  const auto updated = store_->Update([&](State& state) -> AwsStatus {
    state.sessions_valid_from = Now();
    return {};
  });
  if (!updated.ok()) return Error(ErrorCode::kIo, updated.error().message);
  return {};
}

Status EmbeddedKms::AddAccount(const std::string& account, const std::string& profile) {
  TRY(embedded::AddAccount(*store_, account, profile, Now()));
  return WriteCredentials(*store_);
}

Status EmbeddedKms::WriteConfig(const std::string& url, const std::string& tls_url) {
  for (const auto& dialect : dialects_) TRY(dialect->WriteFiles(directory(), tls_url));
  return embedded::WriteConfig(*store_, url);
}

}  // namespace freehold::embedded
