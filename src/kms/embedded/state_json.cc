#include <boost/json.hpp>

#include "kms/embedded/state.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

std::int64_t ToMs(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.since_epoch).count();
}
WallTime FromMs(const json::value& ms) {
  return {std::chrono::milliseconds(ms.to_number<std::int64_t>())};
}
std::string Text(const json::value& value) { return std::string(value.as_string()); }

json::object FromNames(const Names& names) {
  json::object object;
  for (const auto& [name, value] : names) object[name] = value;
  return object;
}
Names ToNames(const json::value& value) {
  Names names;
  for (const auto& [name, text] : value.as_object()) names.emplace(name, Text(text));
  return names;
}
// Throws, as Boost.JSON does, into the one catch of DecodeState.
Bytes Octets(const json::value& value) {
  auto bytes = Base64Decode(value.as_string());
  if (!bytes.ok()) throw std::invalid_argument("base64");
  return *std::move(bytes);
}

json::object FromImport(const KeyImport& import) {
  return {{"wrapping", import.wrapping},
          {"token_digest", import.token_digest},
          {"sealed_key", Base64Encode(import.sealed_key)},
          {"expires", ToMs(import.expires)}};
}

json::object FromKey(const Key& key) {
  json::array materials;
  for (const KeyMaterial& material : key.materials) {
    materials.push_back({{"id", material.id},
                         {"sealed", Base64Encode(material.sealed)},
                         {"created", ToMs(material.created)},
                         {"rotation", material.rotation}});
  }
  return {{"id", key.id},
          {"account", key.account},
          {"region", key.region},
          {"description", key.description},
          {"policy", key.policy},
          {"state", static_cast<int>(key.state)},
          {"created", ToMs(key.created)},
          {"primary_region", key.primary_region},
          {"pending_days", key.pending_days},
          {"deletion", key.deletion ? json::value(ToMs(*key.deletion)) : json::value()},
          {"rotates", key.rotates},
          {"rotation_days", key.rotation_days},
          {"next_rotation", ToMs(key.next_rotation)},
          {"materials", materials},
          {"origin", key.origin},
          {"expected_material", key.expected_material},
          {"valid_to", key.valid_to ? json::value(ToMs(*key.valid_to)) : json::value()},
          {"import", key.import ? json::value(FromImport(*key.import)) : json::value()},
          {"tags", FromNames(key.tags)}};
}

// Of a store that an earlier release wrote, which has no such fields.
void ReadOrigin(const json::object& o, Key& key) {
  if (!o.contains("origin")) return;
  key.origin = Text(o.at("origin"));
  key.expected_material = Text(o.at("expected_material"));
  if (!o.at("valid_to").is_null()) key.valid_to = FromMs(o.at("valid_to"));
  if (o.at("import").is_null()) return;
  const json::object& import = o.at("import").as_object();
  key.import = KeyImport{Text(import.at("wrapping")), Text(import.at("token_digest")),
                         Octets(import.at("sealed_key")), FromMs(import.at("expires"))};
}

void ReadMultiRegion(const json::object& o, Key& key) {
  if (!o.contains("primary_region")) return;
  key.primary_region = Text(o.at("primary_region"));
  key.pending_days = static_cast<int>(o.at("pending_days").as_int64());
}

Key ToKey(const json::object& o) {
  Key key;
  key.id = Text(o.at("id"));
  key.account = Text(o.at("account"));
  key.region = Text(o.at("region"));
  key.description = Text(o.at("description"));
  key.policy = Text(o.at("policy"));
  const auto state = o.at("state").as_int64();
  if (state < 0 || state > static_cast<int>(KeyState::kPendingImport)) {
    throw std::invalid_argument("key state");
  }
  key.state = static_cast<KeyState>(state);
  key.created = FromMs(o.at("created"));
  if (!o.at("deletion").is_null()) key.deletion = FromMs(o.at("deletion"));
  key.rotates = o.at("rotates").as_bool();
  key.rotation_days = static_cast<int>(o.at("rotation_days").as_int64());
  key.next_rotation = FromMs(o.at("next_rotation"));
  for (const json::value& m : o.at("materials").as_array()) {
    const json::object& material = m.as_object();
    key.materials.push_back({Text(material.at("id")), Octets(material.at("sealed")),
                             FromMs(material.at("created")), Text(material.at("rotation"))});
  }
  ReadOrigin(o, key);
  ReadMultiRegion(o, key);
  const bool awaited = key.origin == "EXTERNAL" && key.state != KeyState::kEnabled;
  if (key.materials.empty() && !awaited) throw std::invalid_argument("key without material");
  key.tags = ToNames(o.at("tags"));
  return key;
}

json::object FromAlias(const Alias& alias) {
  return {{"account", alias.account},
          {"region", alias.region},
          {"name", alias.name},
          {"key_id", alias.key_id},
          {"created", ToMs(alias.created)},
          {"updated", ToMs(alias.updated)}};
}
Alias ToAlias(const json::object& o) {
  return {Text(o.at("account")), Text(o.at("region")),    Text(o.at("name")),
          Text(o.at("key_id")),  FromMs(o.at("created")), FromMs(o.at("updated"))};
}

json::object FromUser(const User& user) {
  return {{"account", user.account},
          {"name", user.name},
          {"id", user.id},
          {"created", ToMs(user.created)},
          {"policies", FromNames(user.policies)}};
}
User ToUser(const json::object& o) {
  return {Text(o.at("account")), Text(o.at("name")), Text(o.at("id")), FromMs(o.at("created")),
          ToNames(o.at("policies"))};
}

json::object FromRole(const Role& role) {
  return {{"account", role.account},
          {"name", role.name},
          {"id", role.id},
          {"description", role.description},
          {"trust_policy", role.trust_policy},
          {"max_session_seconds", role.max_session_seconds},
          {"created", ToMs(role.created)},
          {"policies", FromNames(role.policies)}};
}
Role ToRole(const json::object& o) {
  return {Text(o.at("account")),      Text(o.at("name")),
          Text(o.at("id")),           Text(o.at("description")),
          Text(o.at("trust_policy")), static_cast<int>(o.at("max_session_seconds").as_int64()),
          FromMs(o.at("created")),    ToNames(o.at("policies"))};
}

json::object FromAccess(const AccessKey& access) {
  return {{"id", access.id},
          {"account", access.account},
          {"user", access.user},
          {"sealed_secret", Base64Encode(access.sealed_secret)},
          {"created", ToMs(access.created)}};
}
AccessKey ToAccess(const json::object& o) {
  return {Text(o.at("id")), Text(o.at("account")), Text(o.at("user")),
          Octets(o.at("sealed_secret")), FromMs(o.at("created"))};
}

json::object FromGrant(const Grant& grant) {
  json::array operations;
  for (const std::string& operation : grant.operations) operations.emplace_back(operation);
  return {{"id", grant.id},
          {"token", grant.token},
          {"region", grant.region},
          {"key_id", grant.key_id},
          {"name", grant.name},
          {"grantee", grant.grantee},
          {"retiring", grant.retiring},
          {"operations", std::move(operations)},
          {"context_equals", FromNames(grant.context_equals)},
          {"context_subset", FromNames(grant.context_subset)},
          {"created", ToMs(grant.created)}};
}
Grant ToGrant(const json::object& o) {
  Grant grant{Text(o.at("id")),
              Text(o.at("token")),
              o.contains("region") ? Text(o.at("region")) : "",
              Text(o.at("key_id")),
              Text(o.at("name")),
              Text(o.at("grantee")),
              Text(o.at("retiring")),
              {},
              ToNames(o.at("context_equals")),
              ToNames(o.at("context_subset")),
              FromMs(o.at("created"))};
  for (const json::value& operation : o.at("operations").as_array()) {
    grant.operations.push_back(Text(operation));
  }
  return grant;
}

// Of an earlier release, whose keys were in one Region each.
std::string OnlyRegionOf(const State& state, const std::string& key_id) {
  for (const auto& [place, key] : state.keys) {
    if (key.id == key_id) return key.region;
  }
  return "";
}

template <typename Map, typename Function>
json::array List(const Map& map, Function from) {
  json::array list;
  for (const auto& [id, value] : map) list.push_back(from(value));
  return list;
}

}  // namespace

std::string EncodeState(const State& state) {
  return json::serialize(json::object{{"format", 1},
                                      {"accounts", FromNames(state.accounts)},
                                      {"keys", List(state.keys, FromKey)},
                                      {"aliases", List(state.aliases, FromAlias)},
                                      {"users", List(state.users, FromUser)},
                                      {"roles", List(state.roles, FromRole)},
                                      {"access", List(state.access, FromAccess)},
                                      {"grants", List(state.grants, FromGrant)},
                                      {"sessions_valid_from", ToMs(state.sessions_valid_from)}});
}

Result<State> DecodeState(std::string_view text) {
  try {
    const json::object root = json::parse({text.data(), text.size()}).as_object();
    if (root.at("format").as_int64() != 1) {
      return Error(ErrorCode::kUnsupportedVersion, "written by a newer release of Freehold");
    }
    State state;
    state.accounts = ToNames(root.at("accounts"));
    for (const auto& item : root.at("keys").as_array()) {
      Key key = ToKey(item.as_object());
      state.keys.emplace(key.Place(), std::move(key));
    }
    if (const auto* grants = root.if_contains("grants")) {  // of an earlier release: none
      for (const auto& item : grants->as_array()) {
        Grant grant = ToGrant(item.as_object());
        if (grant.region.empty()) grant.region = OnlyRegionOf(state, grant.key_id);
        state.grants.emplace(grant.id, std::move(grant));
      }
    }
    for (const auto& item : root.at("aliases").as_array()) {
      Alias alias = ToAlias(item.as_object());
      state.aliases.emplace(alias.Arn(), std::move(alias));
    }
    for (const auto& item : root.at("users").as_array()) {
      User user = ToUser(item.as_object());
      state.users.emplace(AccountAndName(user.account, user.name), std::move(user));
    }
    for (const auto& item : root.at("roles").as_array()) {
      Role role = ToRole(item.as_object());
      state.roles.emplace(AccountAndName(role.account, role.name), std::move(role));
    }
    for (const auto& item : root.at("access").as_array()) {
      AccessKey access = ToAccess(item.as_object());
      state.access.emplace(access.id, std::move(access));
    }
    state.sessions_valid_from = FromMs(root.at("sessions_valid_from"));
    return state;
  } catch (const std::exception& error) {
    return Error(ErrorCode::kFileCorrupt, fmt::format("not a KMS store: {}", error.what()));
  }
}

}  // namespace freehold::embedded
