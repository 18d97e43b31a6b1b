// STS: who am I, and may I be that role for a while?
#include <algorithm>

#include "kms/embedded/authorize.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/query_protocol.h"
#include "kms/embedded/session.h"

namespace freehold::embedded {
namespace {

constexpr int kShortestSession = 900;
constexpr int kLongestChained = 3600;  // for a caller that is itself a role session

AwsFailure NotPermitted(const Call& call, std::string_view role_arn) {
  return {"AccessDenied",
          fmt::format("User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
                      call.caller.Arn(), role_arn),
          403};
}

// Ignoring these would give the session more than was asked for, or hide who it is.
AwsStatus RefuseExtras(const Form& form) {
  for (const std::string_view name : {"Policy", "PolicyArns.member.1.arn", "Tags.member.1.Key",
                                      "SourceIdentity", "SerialNumber", "TokenCode"}) {
    if (form.Has(name)) return QueryValidationFailure(fmt::format("{} is not offered here", name));
  }
  return {};
}

AwsResult<int> ReadDuration(const Form& form, const Call& call, int longest) {
  const std::string text = form.Get("DurationSeconds");
  if (text.empty()) return std::min(3600, longest);
  const bool digits = text.size() <= 6 && std::all_of(text.begin(), text.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
  const int seconds = digits ? std::atoi(text.c_str()) : 0;
  if (seconds < kShortestSession) {
    return QueryValidationFailure(
        fmt::format("DurationSeconds must be at least {}", kShortestSession));
  }
  if (call.is_session) longest = std::min(longest, kLongestChained);
  if (seconds > longest) {
    return QueryValidationFailure(
        "The requested DurationSeconds exceeds the MaxSessionDuration "
        "set for this role.");
  }
  return seconds;
}

const Role* FindRole(const State& state, std::string_view arn) {
  for (const auto& [name, role] : state.roles) {
    if (Principal::RoleArn(role.account, role.name) == arn) return &role;
  }
  return nullptr;
}

}  // namespace

QueryAnswer AssumeRole(QueryOperation& op) {
  const std::string role_arn = op.form.Get("RoleArn");
  op.call.parameters["roleArn"] = role_arn;
  op.call.parameters["roleSessionName"] = op.form.Get("RoleSessionName");
  if (op.form.Has("ExternalId")) op.call.parameters["externalId"] = op.form.Get("ExternalId");
  if (role_arn.size() < 20 || !role_arn.starts_with("arn:aws:iam::")) {
    return QueryValidationFailure(fmt::format("{} is invalid", role_arn));
  }
  const std::string name = AWS_TRY(op.form.Name("RoleSessionName", 2, 64));
  const std::string external_id =
      op.form.Has("ExternalId") ? AWS_TRY(op.form.Name("ExternalId", 2, 1224, ":/")) : "";
  AWS_TRY(RefuseExtras(op.form));
  const Role* role = FindRole(*op.state, role_arn);
  if (role == nullptr) return NotPermitted(op.call, role_arn);
  AWS_TRY(AuthorizeAssumeRole(*op.state, op.call, *role, {name, external_id}));
  const int seconds = AWS_TRY(ReadDuration(op.form, op.call, role->max_session_seconds));

  Session session{role->account,
                  role->name,
                  role->id,
                  name,
                  NewSecretAccessKey(),
                  op.call.now,
                  op.call.now + std::chrono::seconds(seconds)};
  const std::string access_key_id = NewUniqueId("ASIA");
  const auto token = SealSession(op.store, session, access_key_id);
  if (!token.ok()) return InternalFailure();
  const Principal assumed{Principal::Kind::kRoleSession, role->account, role->name, name,
                          fmt::format("{}:{}", role->id, name)};
  return Nested("Credentials",
                Element("AccessKeyId", access_key_id) +
                    Element("SecretAccessKey", AsText(session.secret.ExposeSecret())) +
                    Element("SessionToken", *token) +
                    Element("Expiration", FormatTime(session.expires))) +
         Nested("AssumedRoleUser",
                Element("AssumedRoleId", assumed.id) + Element("Arn", assumed.Arn()));
}

QueryAnswer GetCallerIdentity(QueryOperation& op) {
  const Principal& caller = op.call.caller;
  return Element("Arn", caller.Arn()) + Element("UserId", caller.id) +
         Element("Account", caller.account);
}

}  // namespace freehold::embedded
