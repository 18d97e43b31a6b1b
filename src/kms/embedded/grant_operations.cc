// Grants: permissions on one key for one principal, beside the key's policy.
#include <algorithm>
#include <array>

#include "crypto/crypto.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 9> kGrantable = {
    "Decrypt",       "Encrypt",     "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom", "ReEncryptTo", "DescribeKey",     "RetireGrant",
    "CreateGrant"};

json::array ArrayOf(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::object ContextObject(const Names& context) {
  json::object object;
  for (const auto& [name, value] : context) object[name] = value;
  return object;
}

json::object Describe(const Grant& grant, const Key& key) {
  json::object object{{"KeyId", key.Arn()},
                      {"GrantId", grant.id},
                      {"Name", grant.name},
                      {"CreationDate", EpochSeconds(grant.created)},
                      {"GranteePrincipal", grant.grantee},
                      {"IssuingAccount", Principal::RootArn(key.account)},
                      {"Operations", ArrayOf(grant.operations)}};
  if (!grant.retiring.empty()) object["RetiringPrincipal"] = grant.retiring;
  json::object constraints;
  if (!grant.context_equals.empty()) {
    constraints["EncryptionContextEquals"] = ContextObject(grant.context_equals);
  }
  if (!grant.context_subset.empty()) {
    constraints["EncryptionContextSubset"] = ContextObject(grant.context_subset);
  }
  if (!constraints.empty()) object["Constraints"] = std::move(constraints);
  return object;
}

AwsResult<Grant> ReadGrant(const KmsOperation& op) {
  Grant grant;
  grant.grantee = AWS_TRY(op.params.String("GranteePrincipal"));
  grant.retiring = AWS_TRY(op.params.StringOr("RetiringPrincipal", ""));
  grant.operations = AWS_TRY(op.params.StringList("Operations"));
  grant.name = AWS_TRY(op.params.StringOr("Name", ""));
  if (!grant.grantee.starts_with("arn:aws:iam::")) {
    return ValidationFailure(fmt::format("Invalid principal {}", grant.grantee));
  }
  if (grant.operations.empty()) return ValidationFailure("A grant names at least one operation");
  for (const std::string& operation : grant.operations) {
    if (std::find(kGrantable.begin(), kGrantable.end(), operation) == kGrantable.end()) {
      return ValidationFailure(fmt::format("Unknown grant operation '{}'", operation));
    }
  }
  const json::value* constraints = op.params.Raw("Constraints");
  if (constraints != nullptr && constraints->is_object()) {
    const Params inner(constraints->get_object());
    grant.context_equals = AWS_TRY(inner.StringMap("EncryptionContextEquals"));
    grant.context_subset = AWS_TRY(inner.StringMap("EncryptionContextSubset"));
  }
  return grant;
}

AwsFailure NoSuchGrant() { return {"NotFoundException", "There is no such grant."}; }

KmsAnswer Remove(KmsOperation& op,
                 const std::function<AwsStatus(const State&, const Grant&)>& may) {
  const std::string id = AWS_TRY(op.params.StringOr("GrantId", ""));
  const std::string token = AWS_TRY(op.params.StringOr("GrantToken", ""));
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    auto found = state.grants.find(id);
    if (id.empty() && !token.empty()) {
      found = std::find_if(state.grants.begin(), state.grants.end(),
                           [&](const auto& entry) { return entry.second.token == token; });
    }
    if (found == state.grants.end()) return NoSuchGrant();
    AWS_TRY(may(state, found->second));
    state.grants.erase(found);
    return {};
  }));
  return json::object{};
}

}  // namespace

KmsAnswer CreateGrant(KmsOperation& op) {
  Grant grant = AWS_TRY(ReadGrant(op));
  return ChangeKey(op, "CreateGrant", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequireEnabled(key));
    // The same request again is the same grant, if it has a name.
    for (const auto& [id, known] : state.grants) {
      const bool same = !grant.name.empty() && known.IsOf(key) && known.name == grant.name &&
                        known.grantee == grant.grantee && known.operations == grant.operations;
      if (same) return json::object{{"GrantId", id}, {"GrantToken", known.token}};
    }
    grant.id = NewMaterialId();
    grant.token = Base64Encode(RandomBytes(48));
    grant.region = key.region;
    grant.key_id = key.id;
    grant.created = op.call.now;
    state.grants[grant.id] = grant;
    return json::object{{"GrantId", grant.id}, {"GrantToken", grant.token}};
  });
}

KmsAnswer ListGrants(KmsOperation& op) {
  const Page page = AWS_TRY(ReadPage(op.params, 50, 100));
  const Key* key = AWS_TRY(AuthorizedKey(op, "ListGrants"));
  std::map<std::string, json::object> items;
  for (const auto& [id, grant] : op.state->grants) {
    if (grant.IsOf(*key)) items[id] = Describe(grant, *key);
  }
  return PageOf(page, "Grants", items);
}

KmsAnswer RevokeGrant(KmsOperation& op) {
  const std::string key_id = AWS_TRY(op.params.String("KeyId"));
  return Remove(op, [&](const State& state, const Grant& grant) -> AwsStatus {
    const Key* key = AWS_TRY(FindKey(state, op.call, key_id));
    AWS_TRY(AuthorizeKey(state, op.call, "RevokeGrant", *key));
    if (!grant.IsOf(*key)) return NoSuchGrant();
    return {};
  });
}

KmsAnswer RetireGrant(KmsOperation& op) {
  return Remove(op, [&](const State& state, const Grant& grant) -> AwsStatus {
    const std::string caller = op.call.caller.PolicyArn();
    const bool by_grantee =
        caller == grant.grantee && std::find(grant.operations.begin(), grant.operations.end(),
                                             "RetireGrant") != grant.operations.end();
    if (caller == grant.retiring || by_grantee) return {};
    const auto key = state.keys.find({grant.region, grant.key_id});
    if (key == state.keys.end()) return NoSuchGrant();
    return AuthorizeKey(state, op.call, "RetireGrant", key->second);
  });
}

}  // namespace freehold::embedded
