#include "kms/embedded/vault/operation.h"

#include <boost/json.hpp>
#include <charconv>
#include <optional>

#include "base/log.h"
#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {

namespace json = boost::json;

namespace {

constexpr int kMost = 1'000'000'000;
constexpr std::int64_t kCentury = 100LL * 365 * 24 * 3600;

// Numbers as they are written, in JSON or as text; "?" for what is neither.
std::string WordOf(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return value.is_int64() ? std::to_string(value.get_int64()) : "?";
}

VaultFailure NotConverted(const json::value& value, std::string_view name) {
  return {400, fmt::format("Field validation failed: error converting input {} for field \"{}\"",
                           Printable(json::serialize(value)), name)};
}

std::int64_t UnitOf(char letter) {
  if (letter == 'd') return 24 * 3600;
  if (letter == 'h') return 3600;
  if (letter == 'm') return 60;
  return letter == 's' ? 1 : 0;
}

std::optional<std::int64_t> ParsedSeconds(std::string_view text) {
  std::int64_t total = 0;
  for (bool first = true; first || !text.empty(); first = false) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const bool bare = text.empty() && first;
    const std::int64_t unit = bare ? 1 : text.empty() ? 0 : UnitOf(text.front());
    if (unit == 0 || number > kCentury / unit) return std::nullopt;
    total += number * unit;
    if (total > kCentury) return std::nullopt;
    text.remove_prefix(bare ? 0 : 1);
  }
  return total;
}

}  // namespace

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

VaultResult<std::int64_t> SecondsOf(const json::object& body, std::string_view name,
                                    std::int64_t otherwise) {
  const auto* value = body.if_contains(name);
  if (value == nullptr || value->is_null()) return otherwise;
  const auto seconds = ParsedSeconds(WordOf(*value));
  return seconds.has_value() ? VaultResult<std::int64_t>(*seconds) : NotConverted(*value, name);
}

VaultResult<int> CountOf(const json::object& body, std::string_view name, int otherwise) {
  const auto* value = body.if_contains(name);
  if (value == nullptr || value->is_null()) return otherwise;
  const std::string text = WordOf(*value);
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || number < 0 || number > kMost) return NotConverted(*value, name);
  return number;
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
