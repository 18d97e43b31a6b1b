// EncodeState() and DecodeState() of state.h.
#include <array>
#include <boost/json.hpp>

#include "kms/embedded/google/state.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 6> kStateNames = {
    "ENABLED", "DISABLED", "DESTROY_SCHEDULED", "DESTROYED", "PENDING_IMPORT", "IMPORT_FAILED"};

std::int64_t Number(WallTime time) { return time.since_epoch.count(); }
WallTime Time(const json::value& value) { return WallTime{Duration(value.as_int64())}; }
std::string Text(const json::value& value) { return std::string(value.as_string()); }

json::value OptionalTime(const std::optional<WallTime>& time) {
  if (!time.has_value()) return nullptr;
  return Number(*time);
}
std::optional<WallTime> OptionalTime(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  return Time(value);
}

Bytes Octets(const json::value& value) {
  auto bytes = Base64Decode(Text(value));
  if (!bytes.ok()) throw std::invalid_argument("base64");
  return *std::move(bytes);
}

json::value Encode(const std::string& text) { return json::string(text); }
json::value Encode(const WallTime& time) { return Number(time); }
json::value Encode(const CryptoKey& key);
json::value Encode(const ImportJob& job);
json::value Encode(const PublicKey& key);
json::value Encode(const ServiceAccount& account);
json::value Encode(const FirstAccount& account);
json::value Encode(const Policy& policy);

template <typename M>
json::object EncodeMap(const M& map) {
  json::object object;
  for (const auto& [name, value] : map) object[name] = Encode(value);
  return object;
}

json::value Encode(const Version& version) {
  return {{"state", NameOf(version.state)},
          {"created", Number(version.created)},
          {"destroy", OptionalTime(version.destroy)},
          {"destroyed", OptionalTime(version.destroyed)},
          {"material", Base64Encode(version.material)},
          {"import_job", version.import_job}};
}

Version DecodeVersion(const json::object& from) {
  Version version;
  const std::string state = Text(from.at("state"));
  const auto found = std::find(kStateNames.begin(), kStateNames.end(), state);
  if (found == kStateNames.end()) throw std::invalid_argument("state");
  version.state = static_cast<VersionState>(found - kStateNames.begin());
  version.created = Time(from.at("created"));
  version.destroy = OptionalTime(from.at("destroy"));
  version.destroyed = OptionalTime(from.at("destroyed"));
  version.material = Octets(from.at("material"));
  version.import_job = Text(from.at("import_job"));
  return version;
}

json::value Encode(const CryptoKey& key) {
  json::object versions;
  for (const auto& [number, version] : key.versions) {
    versions[std::to_string(number)] = Encode(version);
  }
  return {{"created", Number(key.created)},
          {"primary", key.primary},
          {"protection_level", key.protection_level},
          {"rotation_period", key.rotation_period},
          {"next_rotation", OptionalTime(key.next_rotation)},
          {"destroy_wait", key.destroy_wait},
          {"import_only", key.import_only},
          {"labels", EncodeMap(key.labels)},
          {"versions", std::move(versions)}};
}

CryptoKey DecodeKey(const json::object& from) {
  CryptoKey key;
  key.created = Time(from.at("created"));
  key.primary = static_cast<int>(from.at("primary").as_int64());
  key.protection_level = Text(from.at("protection_level"));
  key.rotation_period = from.at("rotation_period").as_int64();
  key.next_rotation = OptionalTime(from.at("next_rotation"));
  key.destroy_wait = from.at("destroy_wait").as_int64();
  key.import_only = from.at("import_only").as_bool();
  for (const auto& [name, value] : from.at("labels").as_object()) key.labels[name] = Text(value);
  for (const auto& [number, version] : from.at("versions").as_object()) {
    key.versions[std::stoi(std::string(number))] = DecodeVersion(version.as_object());
  }
  if (key.primary != 0 && !key.versions.contains(key.primary)) {
    throw std::invalid_argument("primary");
  }
  return key;
}

json::value Encode(const ImportJob& job) {
  return {{"created", Number(job.created)},
          {"expires", Number(job.expires)},
          {"method", job.method},
          {"protection_level", job.protection_level},
          {"private_pem", Base64Encode(job.private_pem)},
          {"public_pem", job.public_pem}};
}

ImportJob DecodeImportJob(const json::object& from) {
  return {Time(from.at("created")),       Time(from.at("expires")),
          Text(from.at("method")),        Text(from.at("protection_level")),
          Octets(from.at("private_pem")), Text(from.at("public_pem"))};
}

json::value Encode(const PublicKey& key) {
  return {{"modulus", Base64Encode(key.modulus)}, {"exponent", Base64Encode(key.exponent)}};
}

json::value Encode(const ServiceAccount& account) {
  return {{"project", account.project},
          {"display_name", account.display_name},
          {"unique_id", account.unique_id},
          {"disabled", account.disabled},
          {"keys", EncodeMap(account.keys)}};
}

ServiceAccount DecodeAccount(const json::object& from) {
  ServiceAccount account{Text(from.at("project")),
                         Text(from.at("display_name")),
                         Text(from.at("unique_id")),
                         from.at("disabled").as_bool(),
                         {}};
  for (const auto& [id, value] : from.at("keys").as_object()) {
    const json::object& key = value.as_object();
    account.keys[id] = {Octets(key.at("modulus")), Octets(key.at("exponent"))};
  }
  return account;
}

json::value Encode(const FirstAccount& account) {
  return {{"email", account.email},
          {"key_id", account.key_id},
          {"private_pem", Base64Encode(account.private_pem)}};
}

json::value Encode(const Policy& policy) {
  json::object object;
  for (const auto& [role, members] : policy) {
    object[role] = json::array(members.begin(), members.end());
  }
  return object;
}

Policy DecodePolicy(const json::object& from) {
  Policy policy;
  for (const auto& [role, members] : from) {
    for (const auto& member : members.as_array()) policy[role].insert(Text(member));
  }
  return policy;
}

State Decode(const json::object& from) {
  State state;
  for (const auto& project : from.at("projects").as_array()) state.projects.insert(Text(project));
  for (const auto& [name, ring] : from.at("key_rings").as_object()) {
    state.key_rings[name] = Time(ring);
  }
  for (const auto& [name, key] : from.at("keys").as_object()) {
    state.keys[name] = DecodeKey(key.as_object());
  }
  for (const auto& [name, job] : from.at("import_jobs").as_object()) {
    state.import_jobs[name] = DecodeImportJob(job.as_object());
  }
  for (const auto& [email, account] : from.at("accounts").as_object()) {
    state.accounts[email] = DecodeAccount(account.as_object());
  }
  for (const auto& [name, policy] : from.at("policies").as_object()) {
    state.policies[name] = DecodePolicy(policy.as_object());
  }
  for (const auto& [name, value] : from.at("first_accounts").as_object()) {
    const json::object& first = value.as_object();
    state.first_accounts[name] = {Text(first.at("email")), Text(first.at("key_id")),
                                  Octets(first.at("private_pem"))};
  }
  return state;
}

}  // namespace

std::string_view NameOf(VersionState state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::string EncodeState(const State& state) {
  return json::serialize(
      json::object{{"projects", json::array(state.projects.begin(), state.projects.end())},
                   {"key_rings", EncodeMap(state.key_rings)},
                   {"keys", EncodeMap(state.keys)},
                   {"import_jobs", EncodeMap(state.import_jobs)},
                   {"accounts", EncodeMap(state.accounts)},
                   {"policies", EncodeMap(state.policies)},
                   {"first_accounts", EncodeMap(state.first_accounts)}});
}

Result<State> DecodeState(std::string_view text) {
  try {
    return Decode(json::parse({text.data(), text.size()}).as_object());
  } catch (const std::exception& failure) {  // boost::json's and our own
    return Error(ErrorCode::kFileCorrupt, std::string("is damaged: ") + failure.what());
  }
}

}  // namespace freehold::embedded::google
