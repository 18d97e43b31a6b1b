// Versions of keys: made, enabled and disabled, destroyed in time and restored.
#include "fmt/format.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/operations.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

json::object Shown(const State& state, const std::string& resource) {
  const VersionName name = ParseVersionName(resource);
  return ShowVersion(name.key, name.number, state.keys.at(name.key));
}

// `change` on the version that the request names.
Answer Change(Operation& op, const std::string& permission,
              const std::function<GoogleStatus(CryptoKey&, Version&)>& change) {
  op.call.key = ParseVersionName(op.resource()).key;
  GOOGLE_TRY(op.Authorize(permission));
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    Version* version = GOOGLE_TRY(FindVersion(state, op.resource()));
    return change(*GOOGLE_TRY(FindKey(state, op.call.key)), *version);
  }));
  return Shown(*op.state, op.resource());
}

}  // namespace

Answer CreateVersion(Operation& op) {
  const std::string key_name = op.target.Parent();
  op.call.key = key_name;
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeyVersions.create", key_name));
  int number = 0;
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    CryptoKey* key = GOOGLE_TRY(FindKey(state, key_name));
    if (key->import_only) return FailedPrecondition(key_name + " is import-only.");
    number = key->versions.empty() ? 1 : key->versions.rbegin()->first + 1;
    key->versions[number] = GOOGLE_TRY(NewVersion(op.master, key_name, number, op.call.now));
    return {};
  }));
  return Shown(*op.state, FormatVersionName(key_name, number));
}

Answer GetVersion(Operation& op) {
  op.call.key = ParseVersionName(op.resource()).key;
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeyVersions.get"));
  GOOGLE_TRY(FindVersion(*op.state, op.resource()));
  return Shown(*op.state, op.resource());
}

Answer ListVersions(Operation& op) {
  const std::string key_name = op.target.Parent();
  op.call.key = key_name;
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeyVersions.list", key_name));
  const CryptoKey* key = GOOGLE_TRY(FindKey(*op.state, key_name));
  json::array versions;
  for (const auto& [number, version] : key->versions) {
    versions.push_back(ShowVersion(key_name, number, *key));
  }
  return ShowList("cryptoKeyVersions", std::move(versions));
}

Answer UpdateVersion(Operation& op) {
  const std::string wanted = GOOGLE_TRY(
      EnumIn(op.body, "state",
             {"", "ENABLED", "DISABLED", "DESTROYED", "DESTROY_SCHEDULED", "PENDING_GENERATION"}));
  if (!MaskNames(op.target, "state") || (wanted != "ENABLED" && wanted != "DISABLED")) {
    return InvalidArgument("A version's state can be changed to ENABLED and DISABLED only.");
  }
  return Change(
      op, "cloudkms.cryptoKeyVersions.update", [&](CryptoKey&, Version& version) -> GoogleStatus {
        if (version.state != VersionState::kEnabled && version.state != VersionState::kDisabled) {
          return NotEnabled(op.resource(), version.state);
        }
        version.state = wanted == "ENABLED" ? VersionState::kEnabled : VersionState::kDisabled;
        return {};
      });
}

Answer DestroyVersion(Operation& op) {
  return Change(
      op, "cloudkms.cryptoKeyVersions.destroy",
      [&](CryptoKey& key, Version& version) -> GoogleStatus {
        if (version.state != VersionState::kEnabled && version.state != VersionState::kDisabled) {
          return NotEnabled(op.resource(), version.state);
        }
        version.state = VersionState::kDestroyScheduled;
        version.destroy = op.call.now + std::chrono::seconds(key.destroy_wait);
        return {};
      });
}

Answer RestoreVersion(Operation& op) {
  return Change(op, "cloudkms.cryptoKeyVersions.restore",
                [&](CryptoKey&, Version& version) -> GoogleStatus {
                  if (version.state != VersionState::kDestroyScheduled) {
                    return FailedPrecondition(
                        fmt::format("{} is not scheduled for destruction, current state is: {}.",
                                    op.resource(), NameOf(version.state)));
                  }
                  version.state = VersionState::kDisabled;
                  version.destroy.reset();
                  return {};
                });
}

}  // namespace freehold::embedded::google
