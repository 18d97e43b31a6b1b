// Aliases: names that can be pointed at another key. Both alias and key must be permitted.
#include <algorithm>

#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

AwsResult<Alias> ReadAlias(const KmsOperation& op) {
  const std::string name = AWS_TRY(op.params.String("AliasName"));
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-';
  };
  if (!name.starts_with("alias/") || name.size() == 6 || name.size() > 256 ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    return ValidationFailure(
        "Alias must start with the prefix \"alias/\" and have only letters, digits, '/', '_' and "
        "'-' after it.");
  }
  if (name.starts_with("alias/aws/")) {
    return AwsFailure{"InvalidAliasNameException", "The prefix alias/aws/ is reserved."};
  }
  return Alias{op.call.caller.account, op.call.region, name, "", op.call.now, op.call.now};
}

AwsFailure AliasNotFound(const Alias& alias) {
  return {"NotFoundException", fmt::format("Alias {} is not found.", alias.Arn())};
}

// The key that TargetKeyId names, permitted and fit to have aliases.
AwsResult<const Key*> FindTarget(const State& state, KmsOperation& op, std::string_view action) {
  const std::string target = AWS_TRY(op.params.String("TargetKeyId"));
  const Key* key = AWS_TRY(FindKey(state, op.call, target));
  if (key->account != op.call.caller.account) {
    return ValidationFailure("An alias and its key must be in the same account.");
  }
  AWS_TRY(AuthorizeKey(state, op.call, action, *key));
  AWS_TRY(RequireNotPending(*key));
  return key;
}

// Aliases have no policy of their own: the caller's identity policies speak about them.
AwsStatus AuthorizeAlias(const State& state, const Call& call, std::string_view action,
                         const Alias& alias) {
  return AuthorizeIdentity(state, call, fmt::format("kms:{}", action), alias.Arn());
}

}  // namespace

KmsAnswer CreateAlias(KmsOperation& op) {
  Alias alias = AWS_TRY(ReadAlias(op));
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    AWS_TRY(AuthorizeAlias(state, op.call, "CreateAlias", alias));
    alias.key_id = AWS_TRY(FindTarget(state, op, "CreateAlias"))->id;
    if (!state.aliases.emplace(alias.Arn(), alias).second) {
      return AwsFailure{"AlreadyExistsException",
                        fmt::format("An alias with the name {} already exists", alias.Arn())};
    }
    return {};
  }));
  return json::object{};
}

KmsAnswer UpdateAlias(KmsOperation& op) {
  const Alias wanted = AWS_TRY(ReadAlias(op));
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    AWS_TRY(AuthorizeAlias(state, op.call, "UpdateAlias", wanted));
    const auto alias = state.aliases.find(wanted.Arn());
    if (alias == state.aliases.end()) return AliasNotFound(wanted);
    const auto old_key = state.keys.find({wanted.region, alias->second.key_id});
    if (old_key != state.keys.end()) {
      AWS_TRY(AuthorizeKey(state, op.call, "UpdateAlias", old_key->second));
    }
    alias->second.key_id = AWS_TRY(FindTarget(state, op, "UpdateAlias"))->id;
    alias->second.updated = op.call.now;
    return {};
  }));
  return json::object{};
}

KmsAnswer DeleteAlias(KmsOperation& op) {
  const Alias wanted = AWS_TRY(ReadAlias(op));
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    AWS_TRY(AuthorizeAlias(state, op.call, "DeleteAlias", wanted));
    const auto alias = state.aliases.find(wanted.Arn());
    if (alias == state.aliases.end()) return AliasNotFound(wanted);
    const Key* key = AWS_TRY(FindKey(state, op.call, alias->second.key_id));
    AWS_TRY(AuthorizeKey(state, op.call, "DeleteAlias", *key));
    state.aliases.erase(alias);
    return {};
  }));
  return json::object{};
}

KmsAnswer ListAliases(KmsOperation& op) {
  const Page page = AWS_TRY(ReadPage(op.params, 50, 100));
  AWS_TRY(AuthorizeIdentity(*op.state, op.call, "kms:ListAliases", "*"));
  std::string only_key;
  if (op.params.Has("KeyId")) {
    const std::string key_id = AWS_TRY(op.params.String("KeyId"));
    only_key = AWS_TRY(FindKey(*op.state, op.call, key_id))->id;
  }
  std::map<std::string, json::object> items;
  for (const auto& [arn, alias] : op.state->aliases) {
    if (alias.account != op.call.caller.account || alias.region != op.call.region) continue;
    if (!only_key.empty() && alias.key_id != only_key) continue;
    items[arn] = {{"AliasName", alias.name},
                  {"AliasArn", arn},
                  {"TargetKeyId", alias.key_id},
                  {"CreationDate", EpochSeconds(alias.created)},
                  {"LastUpdatedDate", EpochSeconds(alias.updated)}};
  }
  return PageOf(page, "Aliases", items);
}

}  // namespace freehold::embedded
