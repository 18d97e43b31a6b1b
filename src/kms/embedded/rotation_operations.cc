// Rotation: new material becomes current, old material stays for old ciphertexts.
#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr int kMaxOnDemandRotations = 25;

Duration Days(std::int64_t days) { return std::chrono::hours(24 * days); }

AwsStatus RequireOwnMaterial(const Key& key) {
  if (key.origin != "EXTERNAL") return {};
  return AwsFailure{"UnsupportedOperationException",
                    fmt::format("{} has imported key material, which is not rotated.", key.Arn())};
}

}  // namespace

KmsAnswer EnableKeyRotation(KmsOperation& op) {
  const auto days = AWS_TRY(op.params.IntOr("RotationPeriodInDays", 365, 90, 2560));
  return ChangeKey(op, "EnableKeyRotation", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequireEnabled(key));
    AWS_TRY(RequireOwnMaterial(key));
    AWS_TRY(RequireNoReplica(key));
    if (!key.rotates || key.rotation_days != days) key.next_rotation = op.call.now + Days(days);
    key.rotates = true;
    key.rotation_days = static_cast<int>(days);
    ShareMaterial(state, key);
    return json::object{};
  });
}

KmsAnswer DisableKeyRotation(KmsOperation& op) {
  return ChangeKey(op, "DisableKeyRotation", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequireEnabled(key));
    AWS_TRY(RequireNoReplica(key));
    key.rotates = false;
    ShareMaterial(state, key);
    return json::object{};
  });
}

KmsAnswer GetKeyRotationStatus(KmsOperation& op) {
  const Key* key = AWS_TRY(AuthorizedKey(op, "GetKeyRotationStatus"));
  const bool rotates = key->rotates && key->state != KeyState::kPendingDeletion;
  json::object answer{{"KeyId", key->Arn()}, {"KeyRotationEnabled", rotates}};
  if (rotates) {
    answer["RotationPeriodInDays"] = key->rotation_days;
    answer["NextRotationDate"] = EpochSeconds(key->next_rotation);
  }
  return answer;
}

KmsAnswer ListKeyRotations(KmsOperation& op) {
  const Page page = AWS_TRY(ReadPage(op.params, 100, 1000));
  const std::string include = AWS_TRY(op.params.StringOr("IncludeKeyMaterial", "ROTATIONS_ONLY"));
  if (include != "ROTATIONS_ONLY" && include != "ALL_KEY_MATERIAL") {
    return ValidationFailure(
        "1 validation error detected: Value at 'includeKeyMaterial' failed "
        "to satisfy constraint: Member must satisfy enum value set: "
        "[ALL_KEY_MATERIAL, ROTATIONS_ONLY]");
  }
  const Key* key = AWS_TRY(AuthorizedKey(op, "ListKeyRotations"));
  AWS_TRY(RequireNotPending(*key));
  std::map<std::string, json::object> items;
  for (std::size_t i = 0; i < key->materials.size(); ++i) {
    const KeyMaterial& material = key->materials[i];
    if (material.rotation.empty() && include == "ROTATIONS_ONLY") continue;
    const bool current = i + 1 == key->materials.size();
    json::object item{{"KeyId", key->Arn()},
                      {"KeyMaterialId", material.id},
                      {"KeyMaterialState", current ? "CURRENT" : "NON_CURRENT"}};
    if (!material.rotation.empty()) {
      item["RotationDate"] = EpochSeconds(material.created);
      item["RotationType"] = material.rotation;
    }
    items[fmt::format("{:08}", i)] = std::move(item);
  }
  return PageOf(page, "Rotations", items);
}

KmsAnswer RotateKeyOnDemand(KmsOperation& op) {
  return ChangeKey(op, "RotateKeyOnDemand", [&](State& state, Key& key) -> KmsAnswer {
    AWS_TRY(RequireEnabled(key));
    AWS_TRY(RequireOwnMaterial(key));
    AWS_TRY(RequireNoReplica(key));
    int rotations = 0;
    for (const KeyMaterial& material : key.materials) rotations += material.rotation == "ON_DEMAND";
    if (rotations >= kMaxOnDemandRotations) {
      return AwsFailure{
          "LimitExceededException",
          fmt::format("A key can be rotated on demand {} times.", kMaxOnDemandRotations)};
    }
    auto material = NewMaterial(op.store, "ON_DEMAND", op.call.now);
    if (!material.ok()) return InternalFailure();
    op.call.key_material_id = material->id;
    key.materials.push_back(*std::move(material));
    ShareMaterial(state, key);
    return json::object{{"KeyId", key.Arn()}};
  });
}

}  // namespace freehold::embedded
