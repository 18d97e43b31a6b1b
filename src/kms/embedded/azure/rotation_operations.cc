// Rotation: now, or by a policy that the key's owner has put.
#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/embedded/azure/vault_call.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::azure {
namespace {

namespace json = boost::json;

// "P90D", "P3M", "P2Y" as days; at most a century.
std::optional<int> DaysOf(std::string_view period) {
  if (period.size() < 3 || period.size() > 6 || period.front() != 'P') return std::nullopt;
  int number = 0;
  for (const char c : period.substr(1, period.size() - 2)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  constexpr int kMost = 36500;
  switch (period.back()) {
    case 'D':
      return std::min(number, kMost);
    case 'M':
      return std::min(number * 30, kMost);
    case 'Y':
      return std::min(number * 365, kMost);
    default:
      return std::nullopt;
  }
}

json::object PolicyOf(const Vault& vault, const Key& key) {
  json::object policy{
      {"id", fmt::format("https://{}/keys/{}/rotationpolicy", vault.host, key.name)}};
  json::object given;
  if (!key.rotation_policy.empty()) given = json::parse(key.rotation_policy).as_object();
  policy["lifetimeActions"] =
      given.contains("lifetimeActions")
          ? given.at("lifetimeActions")
          : json::array{json::object{{"trigger", {{"timeBeforeExpiry", "P30D"}}},
                                     {"action", {{"type", "Notify"}}}}};
  json::object attributes = ObjectOf(given, "attributes");
  if (!key.rotation_policy.empty()) {
    attributes["created"] = SecondsOf(key.rotation_updated);
    attributes["updated"] = SecondsOf(key.rotation_updated);
  }
  policy["attributes"] = std::move(attributes);
  return policy;
}

}  // namespace

VaultResult RotateKey(VaultCall& call) {
  const Key* old = AZURE_TRY(call.FindKey());
  const KeyVersion version = AZURE_TRY(NextVersion(call.master, *old, call.now));
  json::object bundle;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    const auto found = vault.keys.find(LowerCase(call.name));
    if (found == vault.keys.end()) return KeyNotFound(call.name);  // since we looked
    Key& key = found->second;
    key.versions.push_back(version);
    bundle = KeyBundle(vault, key, version);
    return {};
  }));
  return VaultAnswer{std::move(bundle)};
}

VaultResult GetRotationPolicy(VaultCall& call) {
  return VaultAnswer{PolicyOf(call.vault, *AZURE_TRY(call.FindKey()))};
}

VaultResult SetRotationPolicy(VaultCall& call) {
  AZURE_TRY(call.FindKey());
  const auto* actions = call.body.if_contains("lifetimeActions");
  if (actions != nullptr && !actions->is_array()) {
    return BadParameter("Property 'lifetimeActions' is no list.");
  }
  json::object policy;
  AZURE_TRY(call.Change([&](Vault& vault) -> AzureStatus {
    const auto found = vault.keys.find(LowerCase(call.name));
    if (found == vault.keys.end()) return KeyNotFound(call.name);  // since we looked
    Key& key = found->second;
    key.rotation_policy = json::serialize(call.body);
    key.rotation_updated = call.now;
    policy = PolicyOf(vault, key);
    return {};
  }));
  return VaultAnswer{std::move(policy)};
}

std::optional<WallTime> NextRotation(const Key& key) {
  if (key.rotation_policy.empty()) return std::nullopt;
  boost::system::error_code error;
  const json::value policy = json::parse(key.rotation_policy, error);
  if (error || !policy.is_object()) return std::nullopt;
  const auto* actions = policy.get_object().if_contains("lifetimeActions");
  if (actions == nullptr || !actions->is_array()) return std::nullopt;
  for (const json::value& each : actions->get_array()) {
    if (!each.is_object()) continue;
    const json::object& action = each.get_object();
    if (LowerCase(TextOf(ObjectOf(action, "action"), "type")) != "rotate") continue;
    const auto days = DaysOf(TextOf(ObjectOf(action, "trigger"), "timeAfterCreate"));
    if (days) return key.newest().created + std::chrono::hours(24 * *days);
  }
  return std::nullopt;
}

}  // namespace freehold::embedded::azure
