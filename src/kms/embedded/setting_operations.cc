// A key's policy and tags.
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

AwsStatus RequireDefaultName(const Params& params) {
  const std::string name = AWS_TRY(params.StringOr("PolicyName", "default"));
  if (name == "default") return {};
  return AwsFailure{"NotFoundException", fmt::format("No such policy exists: {}", name)};
}

}  // namespace

KmsAnswer PutKeyPolicy(KmsOperation& op) {
  AWS_TRY(RequireDefaultName(op.params));
  const std::string policy = AWS_TRY(op.params.String("Policy"));
  const bool bypass = AWS_TRY(op.params.BoolOr("BypassPolicyLockoutSafetyCheck", false));
  return ChangeKey(op, "PutKeyPolicy", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(CheckKeyPolicy(state, op.call, key, policy, bypass));
    key.policy = policy;
    return json::object{};
  });
}

KmsAnswer GetKeyPolicy(KmsOperation& op) {
  AWS_TRY(RequireDefaultName(op.params));
  const Key* key = AWS_TRY(AuthorizedKey(op, "GetKeyPolicy"));
  return json::object{{"Policy", key->policy}, {"PolicyName", "default"}};
}

KmsAnswer ListKeyPolicies(KmsOperation& op) {
  const Page page = AWS_TRY(ReadPage(op.params, 100, 1000));
  AWS_TRY(AuthorizedKey(op, "ListKeyPolicies"));
  json::object answer{{"PolicyNames", json::array()}, {"Truncated", false}};
  if (page.after < "default") answer["PolicyNames"].as_array().emplace_back("default");
  return answer;
}

KmsAnswer TagResource(KmsOperation& op) {
  if (!op.params.Has("Tags")) return ValidationFailure("'tags' must not be null");
  const AwsResult<Names> tags = op.params.Tags("Tags");
  if (!tags.ok()) return tags.error();
  return ChangeKey(op, "TagResource", [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireNotPending(key));
    for (const auto& [name, value] : *tags) key.tags[name] = value;
    if (key.tags.size() > 50) return AwsFailure{"TagException", "A key has at most 50 tags."};
    return json::object{};
  });
}

KmsAnswer UntagResource(KmsOperation& op) {
  if (!op.params.Has("TagKeys")) return ValidationFailure("'tagKeys' must not be null");
  const auto names = AWS_TRY(op.params.StringList("TagKeys"));
  return ChangeKey(op, "UntagResource", [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireNotPending(key));
    for (const std::string& name : names) key.tags.erase(name);
    return json::object{};
  });
}

KmsAnswer ListResourceTags(KmsOperation& op) {
  const Page page = AWS_TRY(ReadPage(op.params, 50, 50));
  const Key* key = AWS_TRY(AuthorizedKey(op, "ListResourceTags"));
  std::map<std::string, json::object> items;
  for (const auto& [name, value] : key->tags) {
    items[name] = {{"TagKey", name}, {"TagValue", value}};
  }
  return PageOf(page, "Tags", items);
}

}  // namespace freehold::embedded
