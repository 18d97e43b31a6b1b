#include "kms/embedded/kms_operation.h"

#include <vector>

#include "crypto/crypto.h"
#include "kms/embedded/ids.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

AwsFailure NotFound(std::string message) { return {"NotFoundException", std::move(message)}; }

struct KmsArn {
  std::string region;
  std::string account;
  std::string resource;  // "key/..." or "alias/..."
};

AwsResult<KmsArn> ParseArn(const std::string& arn) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (parts.size() < 5) {
    const auto colon = arn.find(':', begin);
    if (colon == std::string::npos) break;
    parts.push_back(arn.substr(begin, colon - begin));
    begin = colon + 1;
  }
  const std::string resource = arn.substr(begin);
  if (parts.size() != 5 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "kms" ||
      !IsAccountId(parts[4]) ||
      (!resource.starts_with("key/") && !resource.starts_with("alias/"))) {
    return AwsFailure{"InvalidArnException", fmt::format("Invalid arn {}", arn)};
  }
  return KmsArn{parts[3], parts[4], resource};
}

}  // namespace

AwsResult<const Key*> FindKey(const State& state, Call& call, const std::string& key_id,
                              Aliases aliases) {
  if (key_id.empty() || key_id.size() > 2048) {
    return ValidationFailure(
        "1 validation error detected: Value at 'keyId' failed to satisfy "
        "constraint: Member must have length between 1 and 2048");
  }
  KmsArn wanted{call.region, call.caller.account, key_id};
  if (key_id.starts_with("arn:")) {
    wanted = AWS_TRY(ParseArn(key_id));
    if (wanted.region != call.region) return NotFound(fmt::format("Invalid arn {}", wanted.region));
  } else if (!key_id.starts_with("alias/")) {
    wanted.resource = "key/" + key_id;
  }
  std::string id = wanted.resource.substr(wanted.resource.find('/') + 1);
  if (wanted.resource.starts_with("alias/")) {
    if (aliases == Aliases::kRefused) return NotFound(fmt::format("Invalid keyId {}", key_id));
    const std::string arn =
        fmt::format("arn:aws:kms:{}:{}:{}", wanted.region, wanted.account, wanted.resource);
    const auto alias = state.aliases.find(arn);
    if (alias == state.aliases.end()) return NotFound(fmt::format("Alias {} is not found.", arn));
    id = alias->second.key_id;
  } else if (!IsKeyId(id)) {
    return NotFound(fmt::format("Invalid keyId '{}'", id));
  }
  const auto found = state.keys.find({wanted.region, id});
  if (found == state.keys.end() || found->second.account != wanted.account) {
    return NotFound(fmt::format("Key 'arn:aws:kms:{}:{}:key/{}' does not exist", wanted.region,
                                wanted.account, id));
  }
  call.key_arn = found->second.Arn();
  call.key_account = found->second.account;
  return &found->second;
}

AwsStatus RequireNotPending(const Key& key) {
  if (key.state != KeyState::kPendingDeletion) return {};
  return AwsFailure{"KMSInvalidStateException", fmt::format("{} is pending deletion.", key.Arn())};
}

AwsStatus RequireEnabled(const Key& key) {
  AWS_TRY(RequireNotPending(key));
  if (key.state == KeyState::kPendingImport || key.materials.empty()) {
    return AwsFailure{"KMSInvalidStateException", fmt::format("{} is pending import.", key.Arn())};
  }
  if (key.state == KeyState::kEnabled) return {};
  return AwsFailure{"DisabledException", fmt::format("{} is disabled.", key.Arn())};
}

AwsResult<const Key*> AuthorizedKey(KmsOperation& op, std::string_view action, Aliases aliases) {
  const std::string key_id = AWS_TRY(op.params.String("KeyId"));
  const Key* key = AWS_TRY(FindKey(*op.state, op.call, key_id, aliases));
  AWS_TRY(AuthorizeKey(*op.state, op.call, action, *key));
  return key;
}

KmsAnswer ChangeKey(KmsOperation& op, std::string_view action,
                    const std::function<KmsAnswer(State&, Key&)>& change) {
  const std::string key_id = AWS_TRY(op.params.String("KeyId"));
  json::object answer;
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    const Key* key = AWS_TRY(FindKey(state, op.call, key_id));
    AWS_TRY(AuthorizeKey(state, op.call, action, *key));
    answer = AWS_TRY(change(state, state.keys.at(key->Place())));
    return {};
  }));
  return answer;
}

std::int64_t EpochSeconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
}

AwsResult<Page> ReadPage(const Params& params, std::size_t usual, std::size_t most) {
  Page page;
  page.limit = static_cast<std::size_t>(AWS_TRY(
      params.IntOr("Limit", static_cast<std::int64_t>(usual), 1, static_cast<std::int64_t>(most))));
  const std::string marker = AWS_TRY(params.StringOr("Marker", ""));
  const auto after = Base64Decode(marker);
  if (!after.ok() || (params.Has("Marker") && after->empty())) {
    return AwsFailure{"InvalidMarkerException", "The marker is not one that a list returned."};
  }
  page.after = AsText(*after);
  return page;
}

KmsAnswer PageOf(const Page& page, std::string_view name,
                 const std::map<std::string, json::object>& items) {
  json::array list;
  std::string last;
  auto item = page.after.empty() ? items.begin() : items.upper_bound(page.after);
  for (; item != items.end() && list.size() < page.limit; ++item) {
    last = item->first;
    list.push_back(item->second);
  }
  const bool truncated = item != items.end();
  json::object answer;
  answer[name] = std::move(list);
  answer["Truncated"] = truncated;
  if (truncated) answer["NextMarker"] = Base64Encode(AsBytes(last));
  return answer;
}

Result<KeyMaterial> NewMaterial(const KeyStore& store, std::string rotation, WallTime now) {
  KeyMaterial material{NewMaterialId(), {}, now, std::move(rotation)};
  material.sealed = TRY(store.Seal(RandomSecret(kKeySize), material.id));
  return material;
}

Result<SecretBytes> UnsealMaterial(const KeyStore& store, const KeyMaterial& material) {
  return store.Unseal(material.sealed, material.id);
}

}  // namespace freehold::embedded
