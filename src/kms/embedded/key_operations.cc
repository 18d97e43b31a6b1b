// A key's life: create, look, enable, disable, schedule and cancel deletion.
#include "kms/embedded/ids.h"
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

std::string_view StateOf(const Key& key) {
  if (key.waits_for_replicas()) return "PendingReplicaDeletion";
  switch (key.state) {
    case KeyState::kEnabled:
      return "Enabled";
    case KeyState::kDisabled:
      return "Disabled";
    case KeyState::kPendingDeletion:
      return "PendingDeletion";
    case KeyState::kPendingImport:
      return "PendingImport";
  }
  return "Unavailable";
}

AwsStatus RequireOffered(const Params& params, std::string_view name, std::string_view offered) {
  const std::string value = AWS_TRY(params.StringOr(name, std::string(offered)));
  if (value == offered) return {};
  return AwsFailure{"UnsupportedOperationException",
                    fmt::format("{} {} is not offered here, only {}.", name, value, offered)};
}

KmsAnswer SetEnabled(KmsOperation& op, std::string_view action, KeyState state) {
  return ChangeKey(op, action, [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireNotPending(key));
    if (key.materials.empty()) return RequireEnabled(key).error();
    key.state = state;
    return json::object{};
  });
}

}  // namespace

json::object MetadataOf(const State& state, const Key& key) {
  json::object metadata = {{"AWSAccountId", key.account},
                           {"KeyId", key.id},
                           {"Arn", key.Arn()},
                           {"CreationDate", EpochSeconds(key.created)},
                           {"Enabled", key.state == KeyState::kEnabled},
                           {"Description", key.description},
                           {"KeyUsage", "ENCRYPT_DECRYPT"},
                           {"KeyState", StateOf(key)},
                           {"Origin", key.origin},
                           {"KeyManager", "CUSTOMER"},
                           {"CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"},
                           {"KeySpec", "SYMMETRIC_DEFAULT"},
                           {"EncryptionAlgorithms", {"SYMMETRIC_DEFAULT"}},
                           {"MultiRegion", key.is_multi_region()}};
  if (!key.materials.empty()) metadata["CurrentKeyMaterialId"] = key.materials.back().id;
  if (key.origin == "EXTERNAL" && !key.materials.empty()) {
    metadata["ExpirationModel"] =
        key.valid_to ? "KEY_MATERIAL_EXPIRES" : "KEY_MATERIAL_DOES_NOT_EXPIRE";
    if (key.valid_to) metadata["ValidTo"] = EpochSeconds(*key.valid_to);
  }
  if (key.is_multi_region()) {
    metadata["MultiRegionConfiguration"] = MultiRegionConfiguration(state, key);
  }
  if (key.waits_for_replicas()) metadata["PendingDeletionWindowInDays"] = key.pending_days;
  if (key.deletion) metadata["DeletionDate"] = EpochSeconds(*key.deletion);
  return metadata;
}

std::string DefaultKeyPolicy(const std::string& account) {
  return json::serialize(
      json::object{{"Version", "2012-10-17"},
                   {"Id", "key-default-1"},
                   {"Statement", json::array{{{"Sid", "Enable IAM User Permissions"},
                                              {"Effect", "Allow"},
                                              {"Principal", {{"AWS", Principal::RootArn(account)}}},
                                              {"Action", "kms:*"},
                                              {"Resource", "*"}}}}});
}

AwsResult<std::string> ReadDescription(const Params& params) {
  std::string description = AWS_TRY(params.StringOr("Description", ""));
  if (description.size() > 8192) {
    return ValidationFailure(
        "1 validation error detected: Value at 'description' failed to "
        "satisfy constraint: Member must have length less than or equal to "
        "8192");
  }
  return description;
}

KmsAnswer CreateKey(KmsOperation& op) {
  const std::string origin = AWS_TRY(op.params.StringOr("Origin", "AWS_KMS"));
  if (origin != "EXTERNAL") AWS_TRY(RequireOffered(op.params, "Origin", "AWS_KMS"));
  AWS_TRY(RequireOffered(op.params, "KeySpec", "SYMMETRIC_DEFAULT"));
  AWS_TRY(RequireOffered(op.params, "CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"));
  AWS_TRY(RequireOffered(op.params, "KeyUsage", "ENCRYPT_DECRYPT"));
  const bool multi_region = AWS_TRY(op.params.BoolOr("MultiRegion", false));
  if (op.params.Has("CustomKeyStoreId") || op.params.Has("XksKeyId")) {
    return AwsFailure{"UnsupportedOperationException", "Custom key stores are not offered here."};
  }
  Key key;
  key.id = multi_region ? NewMultiRegionId() : NewUuid();
  key.account = op.call.caller.account;
  key.region = op.call.region;
  if (multi_region) key.primary_region = key.region;
  key.created = op.call.now;
  key.description = AWS_TRY(ReadDescription(op.params));
  key.tags = AWS_TRY(op.params.Tags("Tags"));
  if (key.tags.size() > 50) return AwsFailure{"TagException", "A key has at most 50 tags."};
  key.policy = AWS_TRY(op.params.StringOr("Policy", DefaultKeyPolicy(key.account)));
  const bool bypass = AWS_TRY(op.params.BoolOr("BypassPolicyLockoutSafetyCheck", false));
  AWS_TRY(AuthorizeIdentity(*op.state, op.call, "kms:CreateKey", "*"));
  key.origin = origin;
  if (origin == "EXTERNAL") {
    key.state = KeyState::kPendingImport;
  } else {
    auto material = NewMaterial(op.store, "", op.call.now);
    if (!material.ok()) return InternalFailure();
    key.materials.push_back(*std::move(material));
  }
  const bool given = op.params.Has("Policy");
  AWS_TRY(op.store.Update([&](State& state) -> AwsStatus {
    if (given) AWS_TRY(CheckKeyPolicy(state, op.call, key, key.policy, bypass));
    state.keys.emplace(key.Place(), key);
    return {};
  }));
  op.call.key_arn = key.Arn();
  op.call.key_account = key.account;
  return json::object{{"KeyMetadata", MetadataOf(*op.state, key)}};
}

KmsAnswer DescribeKey(KmsOperation& op) {
  const Key* key = AWS_TRY(AuthorizedKey(op, "DescribeKey", Aliases::kAllowed));
  return json::object{{"KeyMetadata", MetadataOf(*op.state, *key)}};
}

KmsAnswer ListKeys(KmsOperation& op) {
  const Page page = AWS_TRY(ReadPage(op.params, 100, 1000));
  AWS_TRY(AuthorizeIdentity(*op.state, op.call, "kms:ListKeys", "*"));
  std::map<std::string, json::object> items;
  for (const auto& [place, key] : op.state->keys) {
    if (key.account != op.call.caller.account || key.region != op.call.region) continue;
    items[key.id] = {{"KeyId", key.id}, {"KeyArn", key.Arn()}};
  }
  return PageOf(page, "Keys", items);
}

KmsAnswer EnableKey(KmsOperation& op) { return SetEnabled(op, "EnableKey", KeyState::kEnabled); }

KmsAnswer DisableKey(KmsOperation& op) { return SetEnabled(op, "DisableKey", KeyState::kDisabled); }

KmsAnswer ScheduleKeyDeletion(KmsOperation& op) {
  const auto days = AWS_TRY(op.params.IntOr("PendingWindowInDays", 30, 7, 30));
  return ChangeKey(op, "ScheduleKeyDeletion", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequireNotPending(key));
    key.state = KeyState::kPendingDeletion;
    key.pending_days = static_cast<int>(days);
    const bool waits = !key.is_replica() && !ReplicasOf(state, key).empty();
    if (!waits) key.deletion = op.call.now + std::chrono::hours(24 * days);
    json::object answer{
        {"KeyId", key.Arn()}, {"KeyState", StateOf(key)}, {"PendingWindowInDays", days}};
    if (key.deletion) answer["DeletionDate"] = EpochSeconds(*key.deletion);
    return answer;
  });
}

KmsAnswer CancelKeyDeletion(KmsOperation& op) {
  return ChangeKey(op, "CancelKeyDeletion", [&](State&, Key& key) -> KmsAnswer {
    if (key.state != KeyState::kPendingDeletion) {
      return AwsFailure{"KMSInvalidStateException",
                        fmt::format("{} is not pending deletion.", key.Arn())};
    }
    // Whoever wants it back enables it knowingly, or imports its material again.
    key.state = key.materials.empty() ? KeyState::kPendingImport : KeyState::kDisabled;
    key.deletion.reset();
    return json::object{{"KeyId", key.Arn()}};
  });
}

KmsAnswer UpdateKeyDescription(KmsOperation& op) {
  const std::string description = AWS_TRY(ReadDescription(op.params));
  return ChangeKey(op, "UpdateKeyDescription", [&](State&, Key& key) -> KmsAnswer {
    AWS_TRY(RequireNotPending(key));
    key.description = description;
    return json::object{};
  });
}

}  // namespace freehold::embedded
