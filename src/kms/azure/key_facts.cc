#include "kms/azure/key_facts.h"

#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/service/json_service.h"

namespace freehold::azure {
namespace {

namespace json = boost::json;

constexpr std::size_t kWeakModulus = 2048 / 8;

std::optional<WallTime> TimeIn(const json::object& attributes, std::string_view name) {
  const auto* value = attributes.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  const std::int64_t seconds = std::clamp<std::int64_t>(value->get_int64(), 0, 4'000'000'000);
  return WallTime{std::chrono::seconds(seconds)};
}

bool Allows(const json::object& key, std::string_view operation) {
  const auto* operations = key.if_contains("key_ops");
  if (operations == nullptr || !operations->is_array()) return true;  // it does not say
  const json::array& list = operations->get_array();
  return std::any_of(list.begin(), list.end(), [&](const json::value& each) {
    return each.is_string() && std::string_view(each.get_string()) == operation;
  });
}

// The modulus without the zero octets that some put in front.
std::size_t ModulusSize(const json::object& key) {
  const auto modulus = Base64UrlDecode(TextOf(key, "n"));
  if (!modulus.ok()) return 0;
  const auto first = std::find_if(modulus->begin(), modulus->end(), [](auto b) { return b != 0; });
  return static_cast<std::size_t>(modulus->end() - first);
}

void JudgeTimes(const json::object& attributes, WallTime now, KeyFacts& facts) {
  const auto expires = TimeIn(attributes, "exp");
  const auto begins = TimeIn(attributes, "nbf");
  if (begins && now < *begins) {
    facts.state = "NotYetValid";
    facts.warnings.push_back(fmt::format("the key is valid from {}: nothing can be wrapped before",
                                         FormatTime(*begins)));
  } else if (expires && *expires <= now) {
    facts.state = "Expired";
    facts.warnings.push_back(fmt::format(
        "the key has expired at {}: nothing can be wrapped, but what is wrapped can be unwrapped; "
        "an expiry is no revocation, disable the key for that",
        FormatTime(*expires)));
  } else if (expires) {
    facts.warnings.push_back(
        fmt::format("the key expires at {}: nothing can be wrapped after that, and rotating a "
                    "volume's key will fail",
                    FormatTime(*expires)));
  }
}

}  // namespace

KeyFacts FactsIn(const json::object& bundle, const AzureKeyId& id, WallTime now) {
  const json::object& attributes = ObjectOf(bundle, "attributes");
  const json::object& key = ObjectOf(bundle, "key");
  const std::string vault = id.host.substr(0, id.host.find('.'));
  KeyFacts facts;
  facts.state = "Enabled";
  const auto* enabled = attributes.if_contains("enabled");
  JudgeTimes(attributes, now, facts);
  if (enabled != nullptr && enabled->is_bool() && !enabled->get_bool()) facts.state = "Disabled";
  facts.enabled = facts.state == "Enabled";
  if (TextOf(attributes, "recoveryLevel").find("Purgeable") != std::string::npos) {
    facts.warnings.push_back(fmt::format(
        "purge protection is off: a deleted key, and all that it protects, can be destroyed at "
        "once; az keyvault update{} {} --enable-purge-protection true",
        id.IsManagedHsm() ? "-hsm --hsm-name" : " --name", vault));
  }
  const std::string type = TextOf(key, "kty");
  if (type.starts_with("RSA") && ModulusSize(key) < kWeakModulus) {
    facts.warnings.push_back("the RSA key has less than 2048 bits: make one of 3072 or 4096");
  } else if (!type.starts_with("RSA") && !type.starts_with("oct")) {
    facts.warnings.push_back(
        fmt::format("the key's type is {}, which cannot wrap keys: use RSA", Printable(type)));
  }
  for (const char* operation : {"wrapKey", "unwrapKey"}) {
    if (Allows(key, operation)) continue;
    facts.warnings.push_back(
        fmt::format("the key's permitted operations lack {}: az keyvault key set-attributes "
                    "--{} {} --name {} --ops wrapKey unwrapKey",
                    operation, id.IsManagedHsm() ? "hsm-name" : "vault-name", vault, id.key));
  }
  return facts;
}

bool RotatesByItself(const json::object& rotation_policy) {
  const auto* actions = rotation_policy.if_contains("lifetimeActions");
  if (actions == nullptr || !actions->is_array()) return false;
  for (const json::value& each : actions->get_array()) {
    if (!each.is_object()) continue;
    std::string type = TextOf(ObjectOf(each.get_object(), "action"), "type");
    std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c | 0x20; });
    if (type == "rotate") return true;
  }
  return false;
}

}  // namespace freehold::azure
