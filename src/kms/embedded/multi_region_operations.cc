// Multi-Region keys: one id and one material in many Regions, each replica with its own state,
// policy, aliases and grants.
// Spec: AWS KMS Developer Guide, "Multi-Region keys in AWS KMS".
#include "kms/embedded/ids.h"
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

bool AreTheSame(const Key& one, const Key& other) {
  return one.id == other.id && one.account == other.account;
}

json::object PlaceOf(const std::string& region, const Key& key) {
  return {{"Arn", fmt::format("arn:aws:kms:{}:{}:key/{}", region, key.account, key.id)},
          {"Region", region}};
}

AwsStatus RequirePrimary(const Key& key) {
  if (!key.is_multi_region()) {
    return AwsFailure{"UnsupportedOperationException",
                      fmt::format("{} is not a multi-Region key.", key.Arn())};
  }
  return RequireNoReplica(key);
}

AwsResult<std::string> ReadRegion(const KmsOperation& op, std::string_view name) {
  std::string region = AWS_TRY(op.params.String(name));
  if (IsRegion(region) && region != op.call.region) return region;
  return ValidationFailure(fmt::format("{} must be another Region than this one.", name));
}

// What the replica shares with `primary`: all but what a Region decides for itself.
AwsResult<Key> NewReplica(const KmsOperation& op, const Key& primary, const std::string& region) {
  Key replica;
  replica.id = primary.id;
  replica.account = primary.account;
  replica.region = region;
  replica.primary_region = primary.region;
  replica.created = op.call.now;
  replica.origin = primary.origin;
  replica.expected_material = primary.expected_material;
  replica.description = AWS_TRY(ReadDescription(op.params));
  const AwsResult<Names> tags = op.params.Tags("Tags");
  if (!tags.ok()) return tags.error();
  replica.tags = *tags;
  if (replica.tags.size() > 50) return AwsFailure{"TagException", "A key has at most 50 tags."};
  replica.policy = AWS_TRY(op.params.StringOr("Policy", DefaultKeyPolicy(primary.account)));
  if (replica.origin == "EXTERNAL") replica.state = KeyState::kPendingImport;
  return replica;
}

json::object Replicated(const State& state, const Key& replica) {
  json::array tags;
  for (const auto& [name, value] : replica.tags) {
    tags.push_back(json::object{{"TagKey", name}, {"TagValue", value}});
  }
  return {{"ReplicaKeyMetadata", MetadataOf(state, replica)},
          {"ReplicaPolicy", replica.policy},
          {"ReplicaTags", std::move(tags)}};
}

}  // namespace

AwsStatus RequireNoReplica(const Key& key) {
  if (!key.is_replica()) return {};
  return AwsFailure{
      "UnsupportedOperationException",
      fmt::format("{} is a replica; its primary key is in {}.", key.Arn(), key.primary_region)};
}

std::vector<const Key*> ReplicasOf(const State& state, const Key& primary) {
  std::vector<const Key*> replicas;
  for (const auto& [place, key] : state.keys) {
    if (AreTheSame(key, primary) && key.is_replica()) replicas.push_back(&key);
  }
  return replicas;
}

void ShareMaterial(State& state, const Key& primary) {
  for (auto& [place, key] : state.keys) {
    if (!AreTheSame(key, primary) || !key.is_replica()) continue;
    key.rotates = primary.rotates;
    key.rotation_days = primary.rotation_days;
    key.next_rotation = primary.next_rotation;
    if (key.origin != "EXTERNAL") key.materials = primary.materials;
  }
}

json::object MultiRegionConfiguration(const State& state, const Key& key) {
  json::array replicas;
  for (const Key* replica : ReplicasOf(state, key)) {
    replicas.push_back(PlaceOf(replica->region, *replica));
  }
  return {{"MultiRegionKeyType", key.is_replica() ? "REPLICA" : "PRIMARY"},
          {"PrimaryKey", PlaceOf(key.primary_region, key)},
          {"ReplicaKeys", std::move(replicas)}};
}

KmsAnswer ReplicateKey(KmsOperation& op) {
  const std::string region = AWS_TRY(ReadRegion(op, "ReplicaRegion"));
  const bool bypass = AWS_TRY(op.params.BoolOr("BypassPolicyLockoutSafetyCheck", false));
  return ChangeKey(op, "ReplicateKey", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequirePrimary(key));
    AWS_TRY(RequireEnabled(key));
    AWS_TRY(AuthorizeIdentity(state, op.call, "kms:CreateKey", "*"));
    const Key replica = AWS_TRY(NewReplica(op, key, region));
    if (op.params.Has("Policy")) {
      AWS_TRY(CheckKeyPolicy(state, op.call, replica, replica.policy, bypass));
    }
    if (!state.keys.emplace(replica.Place(), replica).second) {
      return AwsFailure{"AlreadyExistsException",
                        fmt::format("{} is there already.", replica.Arn())};
    }
    ShareMaterial(state, key);
    return Replicated(state, state.keys.at(replica.Place()));
  });
}

KmsAnswer UpdatePrimaryRegion(KmsOperation& op) {
  const std::string region = AWS_TRY(ReadRegion(op, "PrimaryRegion"));
  return ChangeKey(op, "UpdatePrimaryRegion", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequirePrimary(key));
    AWS_TRY(RequireNotPending(key));
    const auto next = state.keys.find({region, key.id});
    if (next == state.keys.end() || !AreTheSame(next->second, key)) {
      return AwsFailure{"NotFoundException",
                        fmt::format("{} has no replica in {}.", key.Arn(), region)};
    }
    AWS_TRY(AuthorizeKey(state, op.call, "UpdatePrimaryRegion", next->second));
    AWS_TRY(RequireNotPending(next->second));
    for (auto& [place, each] : state.keys) {
      if (AreTheSame(each, key)) each.primary_region = region;
    }
    return json::object{};
  });
}

}  // namespace freehold::embedded
