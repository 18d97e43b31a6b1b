#include "api/cmek.h"

#include <array>
#include <boost/json.hpp>
#include <set>

#include "fmt/format.h"

namespace freehold::api {
namespace {

namespace json = boost::json;

// In the order of CmekStatus.
constexpr std::array<std::string_view, 11> kStatusNames = {
    "DISABLED", "DISABLING",     "DISABLE_FAILED", "ENABLED",  "ENABLING",     "ENABLE_FAILED",
    "ROTATING", "ROTATE_FAILED", "REVOKED",        "REVOKING", "REVOKE_FAILED"};

KeySpec ReadKeySpec(JsonReader& reader) {
  KeySpec spec;
  spec.type = reader.RequiredText("type");
  spec.uri = reader.RequiredText("uri");
  spec.auth_principal = reader.Text("auth_principal");
  // The organization's id is what is sent with an assumption; a role that wants one is AWS's.
  if (auto access = ToKeyAccess(spec, ""); !access.ok()) {
    reader.Refuse("uri", access.error().message());
  }
  return spec;
}

json::value TimeOrNull(const std::optional<WallTime>& time) {
  if (!time.has_value()) return nullptr;
  return json::value(FormatTime(*time));
}

json::object ToJson(const RegionInfo& info) {
  json::array keys;
  for (const KeyInfo& key : info.key_infos) keys.push_back(ToJson(key));
  json::object object = {
      {"region", info.region}, {"status", NameOf(info.status)}, {"key_infos", std::move(keys)}};
  if (info.custody.has_value()) {
    object["last_verified_at"] = TimeOrNull(info.custody->last_verified_at);
    object["lease_expires_at"] = TimeOrNull(info.custody->lease_expires_at);
    object["custody"] = ToJson(*info.custody);
  }
  return object;
}

}  // namespace

std::string_view NameOf(CmekStatus status) { return kStatusNames[static_cast<int>(status)]; }

Result<CmekStatus> CmekStatusFromName(std::string_view name) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (kStatusNames[i] == name) return static_cast<CmekStatus>(i);
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no CMEK status", Printable(name)));
}

Result<CmekAction> CmekActionFromName(std::string_view name) {
  if (name == "REVOKE") return CmekAction::kRevoke;
  if (name == "RESTORE") return CmekAction::kRestore;
  if (name == "DISENROL") return CmekAction::kDisenrol;
  if (name == "REKEY") return CmekAction::kRekey;
  if (name == "REENCRYPT") return CmekAction::kReencrypt;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is not an action: REVOKE, RESTORE, DISENROL, REKEY or REENCRYPT",
                           Printable(name)));
}

Result<KeyAccess> ToKeyAccess(const KeySpec& spec, const std::string& external_id) {
  const KmsType type = TRY(KmsTypeFromName(spec.type));
  KeyAccess access{TRY(KeyUri::Parse(spec.uri)), spec.auth_principal, ""};
  if (access.uri.type() != type) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is a key of {}, not of {}", Printable(spec.uri),
                             NameOf(access.uri.type()), spec.type));
  }
  if (type == KmsType::kAwsKms && !access.principal.empty()) access.external_id = external_id;
  TRY(CheckPrincipal(access));
  return access;
}

std::string CanonicalUri(const KeySpec& spec) { return CanonicalKeyUri(spec.uri); }

bool SameKey(const KeySpec& a, const KeySpec& b) {
  return CanonicalUri(a) == CanonicalUri(b) && a.auth_principal == b.auth_principal;
}

std::vector<RegionSpec> ReadRegionSpecs(JsonReader& reader, std::string_view name) {
  std::vector<RegionSpec> specs;
  std::set<std::string> seen;
  reader.Objects(name, [&](JsonReader& item) {
    RegionSpec spec;
    spec.region = item.RequiredText("region");
    if (!item.Has("key_spec")) item.Refuse("key_spec", "is missing");
    item.Object("key_spec", [&](JsonReader& key) { spec.key_spec = ReadKeySpec(key); });
    if (!seen.insert(spec.region).second) {
      item.Refuse("region", fmt::format("'{}' is there twice", spec.region));
    }
    specs.push_back(std::move(spec));
  });
  if (specs.empty()) reader.Refuse(name, "is missing or empty");
  return specs;
}

json::object ToJson(const KeySpec& spec) {
  return {{"type", spec.type}, {"uri", spec.uri}, {"auth_principal", spec.auth_principal}};
}

json::object ToJson(const RegionSpec& spec) {
  return {{"region", spec.region}, {"key_spec", ToJson(spec.key_spec)}};
}

json::object ToJson(const KeyInfo& info) {
  return {{"status", NameOf(info.status)},
          {"user_message", info.user_message},
          {"created_at", FormatTime(info.created_at)},
          {"updated_at", FormatTime(info.updated_at)},
          {"spec", ToJson(info.spec)},
          {"versions", json::array(info.versions.begin(), info.versions.end())}};
}

json::object ToJson(const RegionCustody& custody) {
  json::array nodes;
  for (const std::string& node : custody.nodes) nodes.emplace_back(node);
  return {{"state", custody.state},
          {"reason", custody.reason},
          {"message", custody.message},
          {"old_key_bytes", custody.old_key_bytes},
          {"since", TimeOrNull(custody.since)},
          {"last_verified_at", TimeOrNull(custody.last_verified_at)},
          {"lease_expires_at", TimeOrNull(custody.lease_expires_at)},
          {"next_probe_at", TimeOrNull(custody.next_probe_at)},
          {"nodes", std::move(nodes)}};
}

json::object ToJson(const CmekClusterInfo& info) {
  json::array regions;
  for (const RegionInfo& region : info.region_infos) regions.push_back(ToJson(region));
  return {{"status", NameOf(info.status)}, {"region_infos", std::move(regions)}};
}

json::object SpecsPayload(const std::vector<RegionSpec>& specs) {
  json::array list;
  for (const RegionSpec& spec : specs) list.push_back(ToJson(spec));
  return {{"region_specs", std::move(list)}};
}

}  // namespace freehold::api
