#include "kms/embedded/vault/operation.h"

#include <boost/json.hpp>
#include <charconv>

#include "base/log.h"
#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {

namespace json = boost::json;

VaultStatus Operation::Update(const std::function<VaultStatus(VaultState&)>& change) const {
  return store.Update<VaultStatus>(change, [](const Error& error) -> VaultStatus {
    LogError("kms", error.message());
    return VaultFailure{500, "internal error"};
  });
}

std::string DigestOf(std::string_view secret) { return HexEncode(Sha256(AsBytes(secret))); }

std::string NewSecret(std::string_view prefix) {
  return std::string(prefix) + Base64UrlEncode(RandomBytes(24));
}

std::int64_t SecondsOf(const json::object& body, std::string_view name, std::int64_t otherwise) {
  const auto* value = body.if_contains(name);
  if (value == nullptr) return otherwise;
  if (value->is_int64()) return value->get_int64();
  const std::string text = TextOf(body, name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return otherwise;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit == "m") return number * 60;
  if (unit == "h") return number * 3600;
  return unit.empty() || unit == "s" ? number : otherwise;
}

std::vector<std::string> NamesOf(const json::object& body, std::string_view name) {
  std::vector<std::string> names;
  const auto* value = body.if_contains(name);
  if (value != nullptr && value->is_array()) {
    for (const json::value& one : value->get_array()) {
      if (one.is_string()) names.emplace_back(one.get_string());
    }
    return names;
  }
  std::string text = TextOf(body, name);  // "a,b"
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    names.push_back(text.substr(0, comma));
    text.erase(0, comma + 1);
  }
  return names;
}

bool BoolOf(const json::object& body, std::string_view name, bool otherwise) {
  const auto* value = body.if_contains(name);
  if (value != nullptr && value->is_bool()) return value->get_bool();
  const std::string text = TextOf(body, name);
  return text == "true" ? true : text == "false" ? false : otherwise;
}

VaultFailure NoRoute(const Operation& op) {
  return {404, fmt::format("no handler for route \"{}\". route entry not found.", op.path)};
}

VaultAnswer IssueToken(const Operation& op, const LoginRole& role,
                       const std::string& display_name) {
  const std::string secret = NewSecret(role.is_batch ? "hvb." : "hvs.");
  Token token;
  token.name_space = op.name_space;
  token.display_name = display_name;
  token.accessor = NewUuid();
  token.policies = role.policies;
  token.created = op.call.now;
  token.ttl_seconds = role.ttl_seconds;
  token.max_ttl_seconds = role.max_ttl_seconds;
  if (role.ttl_seconds > 0) token.expires = op.call.now + std::chrono::seconds(role.ttl_seconds);
  token.renewable = !role.is_batch && role.ttl_seconds > 0;
  token.is_batch = role.is_batch;
  VAULT_TRY(op.Update([&](VaultState& state) -> VaultStatus {
    std::erase_if(state.tokens, [&](const auto& entry) {
      return entry.second.expires.has_value() && *entry.second.expires <= op.call.now;
    });
    state.tokens[DigestOf(secret)] = token;
    return {};
  }));
  json::array policies;
  for (const std::string& policy : token.policies) policies.emplace_back(policy);
  return json::object{{"auth",
                       {{"client_token", secret},
                        {"accessor", token.accessor},
                        {"policies", policies},
                        {"token_policies", policies},
                        {"metadata", nullptr},
                        {"lease_duration", token.ttl_seconds},
                        {"renewable", token.renewable},
                        {"entity_id", ""},
                        {"token_type", role.is_batch ? "batch" : "service"},
                        {"orphan", true}}}};
}

}  // namespace freehold::embedded::vault
