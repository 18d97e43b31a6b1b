// IAM, as little as a KMS needs: users with access keys, roles with trust, inline policies.
#include <algorithm>
#include <array>

#include "base/log.h"
#include "kms/embedded/authorize.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/query_protocol.h"

namespace freehold::embedded {
namespace {

AwsFailure NoSuchEntity(std::string_view kind, std::string_view name) {
  return {"NoSuchEntity", fmt::format("The {} with name {} cannot be found.", kind, name), 404};
}
AwsFailure AlreadyExists(std::string_view kind, std::string_view name) {
  return {"EntityAlreadyExists", fmt::format("{} with name {} already exists.", kind, name), 409};
}

AwsStatus Permit(const QueryOperation& op, const State& state, std::string_view action,
                 std::string_view resource) {
  return AuthorizeIdentity(state, op.call, fmt::format("iam:{}", action), resource);
}

AwsStatus CheckPath(const Form& form) {
  const std::string path = form.Get("Path");
  if (path.empty() || path == "/") return {};
  return QueryValidationFailure("Only the path / is offered here");
}

AwsResult<std::string> ReadPolicyDocument(const Form& form) {
  std::string document = form.Get("PolicyDocument");
  const auto parsed = Policy::Parse(document, PolicyKind::kIdentity);
  if (!parsed.ok()) return AwsFailure{"MalformedPolicyDocument", parsed.error().message()};
  return document;
}

AwsResult<std::string> ReadDescription(const Form& form) {
  std::string text = form.Get("Description");
  const bool fits = text.size() <= 1000 && std::all_of(text.begin(), text.end(),
                                                       [](char c) { return c >= ' ' && c <= '~'; });
  if (!fits) return QueryValidationFailure("Description must be up to 1000 ASCII characters");
  return text;
}

// RFC 3986, as IAM hands out policy documents.
std::string PercentEncoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                       c == '.' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string RoleXml(const Role& role) {
  return Element("Path", "/") + Element("RoleName", role.name) + Element("RoleId", role.id) +
         Element("Arn", Principal::RoleArn(role.account, role.name)) +
         Element("CreateDate", FormatTime(role.created)) +
         Element("AssumeRolePolicyDocument", PercentEncoded(role.trust_policy)) +
         Element("Description", role.description) +
         Element("MaxSessionDuration", fmt::format("{}", role.max_session_seconds));
}

std::string UserXml(const User& user) {
  return Element("Path", "/") + Element("UserName", user.name) + Element("UserId", user.id) +
         Element("Arn", Principal::UserArn(user.account, user.name)) +
         Element("CreateDate", FormatTime(user.created));
}

// One change of the user (or role) that the form names, permitted as `action`.
AwsStatus ChangeUser(QueryOperation& op, std::string_view action,
                     const std::function<AwsStatus(State&, User&)>& change) {
  const std::string name = AWS_TRY(op.form.Name("UserName", 1, 64));
  return op.store.Update([&](State& state) -> AwsStatus {
    const AccountAndName key(op.call.caller.account, name);
    AWS_TRY(Permit(op, state, action, Principal::UserArn(key.first, name)));
    const auto user = state.users.find(key);
    if (user == state.users.end()) return NoSuchEntity("user", name);
    return change(state, user->second);
  });
}

AwsStatus ChangeRole(QueryOperation& op, std::string_view action,
                     const std::function<AwsStatus(State&, Role&)>& change) {
  const std::string name = AWS_TRY(op.form.Name("RoleName", 1, 64));
  return op.store.Update([&](State& state) -> AwsStatus {
    const AccountAndName key(op.call.caller.account, name);
    AWS_TRY(Permit(op, state, action, Principal::RoleArn(key.first, name)));
    const auto role = state.roles.find(key);
    if (role == state.roles.end()) return NoSuchEntity("role", name);
    return change(state, role->second);
  });
}

QueryAnswer CreateUser(QueryOperation& op) {
  AWS_TRY(CheckPath(op.form));
  const std::string name = AWS_TRY(op.form.Name("UserName", 1, 64));
  const User user{op.call.caller.account, name, NewUniqueId("AIDA"), op.call.now, {}};
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    AWS_TRY(Permit(op, state, "CreateUser", Principal::UserArn(user.account, user.name)));
    if (state.users.emplace(AccountAndName(user.account, user.name), user).second) return {};
    return AlreadyExists("User", user.name);
  }));
  return Nested("User", UserXml(user));
}

QueryAnswer DeleteUser(QueryOperation& op) {
  AWS_TRY(ChangeUser(op, "DeleteUser", [&](State& state, User& user) -> AwsStatus {
    for (const auto& [id, access] : state.access) {
      if (access.account == user.account && access.user == user.name) {
        return AwsFailure{"DeleteConflict", "Cannot delete entity, must delete access keys first.",
                          409};
      }
    }
    state.users.erase({user.account, std::string(user.name)});
    return {};
  }));
  return "";
}

QueryAnswer CreateAccessKey(QueryOperation& op) {
  const SecretBytes secret = NewSecretAccessKey();
  AccessKey access{NewUniqueId("AKIA"), op.call.caller.account, "", {}, op.call.now};
  auto sealed = op.store.Seal(secret, access.id);
  if (!sealed.ok()) return InternalFailure();
  access.sealed_secret = *std::move(sealed);
  AWS_TRY(ChangeUser(op, "CreateAccessKey", [&](State& state, User& user) -> AwsStatus {
    access.user = user.name;
    state.access.emplace(access.id, access);
    return {};
  }));
  return Nested("AccessKey", Element("UserName", access.user) + Element("AccessKeyId", access.id) +
                                 Element("Status", "Active") +
                                 Element("SecretAccessKey", AsText(secret.ExposeSecret())) +
                                 Element("CreateDate", FormatTime(access.created)));
}

QueryAnswer DeleteAccessKey(QueryOperation& op) {
  const std::string id = AWS_TRY(op.form.Name("AccessKeyId", 16, 128));
  const std::string user =
      op.form.Has("UserName") ? AWS_TRY(op.form.Name("UserName", 1, 64)) : op.call.caller.name;
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    const std::string& account = op.call.caller.account;
    AWS_TRY(Permit(op, state, "DeleteAccessKey", Principal::UserArn(account, user)));
    const auto found = state.access.find(id);
    if (found == state.access.end() || found->second.account != account ||
        found->second.user != user) {
      return NoSuchEntity("Access Key", id);
    }
    state.access.erase(found);
    return {};
  }));
  return "";
}

QueryAnswer CreateRole(QueryOperation& op) {
  AWS_TRY(CheckPath(op.form));
  Role role;
  role.account = op.call.caller.account;
  role.name = AWS_TRY(op.form.Name("RoleName", 1, 64));
  role.id = NewUniqueId("AROA");
  role.description = AWS_TRY(ReadDescription(op.form));
  role.trust_policy = op.form.Get("AssumeRolePolicyDocument");
  role.created = op.call.now;
  if (op.form.Has("MaxSessionDuration")) {
    role.max_session_seconds = std::atoi(op.form.Get("MaxSessionDuration").substr(0, 6).c_str());
    if (role.max_session_seconds < 3600 || role.max_session_seconds > 43200) {
      return QueryValidationFailure("MaxSessionDuration must be 3600 to 43200");
    }
  }
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    AWS_TRY(Permit(op, state, "CreateRole", Principal::RoleArn(role.account, role.name)));
    AWS_TRY(CheckTrustPolicy(state, role.trust_policy));
    if (state.roles.emplace(AccountAndName(role.account, role.name), role).second) return {};
    return AlreadyExists("Role", role.name);
  }));
  return Nested("Role", RoleXml(role));
}

QueryAnswer GetRole(QueryOperation& op) {
  const std::string name = AWS_TRY(op.form.Name("RoleName", 1, 64));
  const std::string& account = op.call.caller.account;
  AWS_TRY(Permit(op, *op.state, "GetRole", Principal::RoleArn(account, name)));
  const auto role = op.state->roles.find({account, name});
  if (role == op.state->roles.end()) return NoSuchEntity("role", name);
  return Nested("Role", RoleXml(role->second));
}

QueryAnswer ListRoles(QueryOperation& op) {
  const std::string& account = op.call.caller.account;
  AWS_TRY(Permit(op, *op.state, "ListRoles", fmt::format("arn:aws:iam::{}:role/", account)));
  std::string members;
  for (const auto& [name, role] : op.state->roles) {
    if (role.account == account) members += Nested("member", RoleXml(role));
  }
  return Element("IsTruncated", "false") + Nested("Roles", members);
}

QueryAnswer UpdateAssumeRolePolicy(QueryOperation& op) {
  const std::string document = op.form.Get("PolicyDocument");
  AWS_TRY(ChangeRole(op, "UpdateAssumeRolePolicy", [&](State& state, Role& role) -> AwsStatus {
    AWS_TRY(CheckTrustPolicy(state, document));
    role.trust_policy = document;
    return {};
  }));
  return "";
}

QueryAnswer DeleteRole(QueryOperation& op) {
  AWS_TRY(ChangeRole(op, "DeleteRole", [&](State& state, Role& role) -> AwsStatus {
    if (!role.policies.empty()) {
      return AwsFailure{"DeleteConflict", "Cannot delete entity, must delete policies first.", 409};
    }
    state.roles.erase({role.account, std::string(role.name)});
    return {};
  }));
  return "";
}

QueryAnswer PutRolePolicy(QueryOperation& op) {
  const std::string name = AWS_TRY(op.form.Name("PolicyName", 1, 128));
  const std::string document = AWS_TRY(ReadPolicyDocument(op.form));
  AWS_TRY(ChangeRole(op, "PutRolePolicy", [&](State&, Role& role) -> AwsStatus {
    role.policies[name] = document;
    return {};
  }));
  return "";
}

QueryAnswer DeleteRolePolicy(QueryOperation& op) {
  const std::string name = AWS_TRY(op.form.Name("PolicyName", 1, 128));
  AWS_TRY(ChangeRole(op, "DeleteRolePolicy", [&](State&, Role& role) -> AwsStatus {
    if (role.policies.erase(name) == 0) return NoSuchEntity("role policy", name);
    return {};
  }));
  return "";
}

QueryAnswer PutUserPolicy(QueryOperation& op) {
  const std::string name = AWS_TRY(op.form.Name("PolicyName", 1, 128));
  const std::string document = AWS_TRY(ReadPolicyDocument(op.form));
  AWS_TRY(ChangeUser(op, "PutUserPolicy", [&](State&, User& user) -> AwsStatus {
    user.policies[name] = document;
    return {};
  }));
  return "";
}

QueryAnswer DeleteUserPolicy(QueryOperation& op) {
  const std::string name = AWS_TRY(op.form.Name("PolicyName", 1, 128));
  AWS_TRY(ChangeUser(op, "DeleteUserPolicy", [&](State&, User& user) -> AwsStatus {
    if (user.policies.erase(name) == 0) return NoSuchEntity("user policy", name);
    return {};
  }));
  return "";
}

struct IamOperation {
  std::string_view name;
  QueryAnswer (*run)(QueryOperation&);
};
constexpr std::array kOperations = {
    IamOperation{"CreateUser", CreateUser},
    IamOperation{"DeleteUser", DeleteUser},
    IamOperation{"CreateAccessKey", CreateAccessKey},
    IamOperation{"DeleteAccessKey", DeleteAccessKey},
    IamOperation{"CreateRole", CreateRole},
    IamOperation{"GetRole", GetRole},
    IamOperation{"ListRoles", ListRoles},
    IamOperation{"UpdateAssumeRolePolicy", UpdateAssumeRolePolicy},
    IamOperation{"DeleteRole", DeleteRole},
    IamOperation{"PutRolePolicy", PutRolePolicy},
    IamOperation{"DeleteRolePolicy", DeleteRolePolicy},
    IamOperation{"PutUserPolicy", PutUserPolicy},
    IamOperation{"DeleteUserPolicy", DeleteUserPolicy},
};

}  // namespace

QueryAnswer RunIam(std::string_view name, QueryOperation& op) {
  for (const std::string_view field : {"RoleName", "UserName", "PolicyName", "AccessKeyId"}) {
    if (!op.form.Has(field)) continue;
    std::string parameter(field);
    parameter[0] = static_cast<char>(parameter[0] | 0x20);
    op.call.parameters[parameter] = op.form.Get(field);
  }
  for (const IamOperation& operation : kOperations) {
    if (operation.name == name) return operation.run(op);
  }
  return AwsFailure{"InvalidAction",
                    fmt::format("Could not find operation {} for version 2010-05-08", name)};
}

}  // namespace freehold::embedded
