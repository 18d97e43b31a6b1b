#include "kms/embedded/vault/key_collection.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/service/json_service.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr std::size_t kLargestFile = 64 << 10;
constexpr std::string_view kServiceAccountFile = "service_account_file";

// "a=b" as `vault write` sends it: once as a text, more often as a list.
VaultStatus AddPair(json::object& pairs, const json::value& value) {
  const std::string text = value.is_string() ? std::string(value.get_string()) : "";
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return VaultFailure{400, "credentials must be pairs of a name and a value"};
  }
  pairs[text.substr(0, equals)] = text.substr(equals + 1);
  return {};
}

VaultResult<json::object> PairsIn(const json::object& body) {
  const auto* value = body.if_contains("credentials");
  if (value == nullptr || value->is_null()) return json::object();
  if (value->is_object()) return value->get_object();
  json::object pairs;
  if (!value->is_array()) {
    VAULT_TRY(AddPair(pairs, *value));
    return pairs;
  }
  for (const json::value& each : value->get_array()) VAULT_TRY(AddPair(pairs, each));
  return pairs;
}

VaultStatus OnlyTexts(const json::object& pairs, const std::string& provider,
                      std::initializer_list<std::string_view> names) {
  for (const auto& [name, value] : pairs) {
    if (std::find(names.begin(), names.end(), std::string_view(name)) == names.end()) {
      return VaultFailure{400, fmt::format("{} takes no credential {}; it takes {}", provider,
                                           Printable(std::string_view(name)),
                                           fmt::join(names.begin(), names.end(), ", "))};
    }
    if (!value.is_string() || value.get_string().empty()) {
      return VaultFailure{400, fmt::format("credential {} must be a text", std::string(name))};
    }
  }
  return {};
}

// The file is Vault's to read, as HashiCorp has it; what is in it is not told to anybody.
VaultResult<json::object> ServiceAccountIn(const std::string& path) {
  const auto unfit = [&](std::string_view why) {
    return VaultFailure{400, fmt::format("service_account_file {} {}", Printable(path), why)};
  };
  auto bytes = ReadRegularFile(path, kLargestFile);
  if (!bytes.ok()) return unfit("cannot be read by Vault");
  boost::system::error_code failure;
  const auto value = json::parse({AsText(*bytes).data(), bytes->size()}, failure);
  WipeMemory(bytes->data(), bytes->size());
  if (failure || !value.is_object()) return unfit("is no JSON object");
  json::object account;
  for (const std::string_view name : {"client_email", "private_key", "private_key_id"}) {
    const std::string text = TextOf(value.get_object(), name);
    if (text.empty()) return unfit(fmt::format("lacks {}", name));
    account[name] = text;
  }
  return account;
}

bool IsKeyRing(std::string_view text) {
  static constexpr std::string_view kParts[] = {"projects", "", "locations", "", "keyRings", ""};
  for (const std::string_view part : kParts) {
    if (text.empty()) return false;
    const auto slash = std::min(text.find('/'), text.size());
    const std::string_view name = text.substr(0, slash);
    const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
    });
    if (!plain || name.empty() || (!part.empty() && name != part)) return false;
    text.remove_prefix(std::min(slash + 1, text.size()));
  }
  return text.empty();
}

}  // namespace

VaultResult<json::object> CredentialsIn(const json::object& body, const std::string& provider) {
  json::object pairs = VAULT_TRY(PairsIn(body));
  if (provider == "gcpckms") {
    VAULT_TRY(OnlyTexts(pairs, provider, {kServiceAccountFile}));
    if (pairs.empty()) {
      return VaultFailure{400, "gcpckms needs credentials: service_account_file=PATH"};
    }
    return ServiceAccountIn(TextOf(pairs, kServiceAccountFile));
  }
  VAULT_TRY(OnlyTexts(pairs, provider, {"access_key", "secret_key", "session_token"}));
  if (!pairs.contains("access_key") || !pairs.contains("secret_key")) {
    return VaultFailure{400, "awskms needs credentials: access_key=... and secret_key=..."};
  }
  return pairs;
}

VaultStatus CheckCollection(const std::string& provider, const std::string& key_collection) {
  if (provider != "awskms" && provider != "gcpckms") {
    return VaultFailure{400, fmt::format("provider \"{}\" is not offered here: awskms or gcpckms",
                                         Printable(provider))};
  }
  if (provider == "awskms" && !IsRegion(key_collection)) {
    return VaultFailure{400, "key_collection must be a Region of AWS: us-east-1"};
  }
  if (provider == "gcpckms" && !IsKeyRing(key_collection)) {
    return VaultFailure{400,
                        "key_collection must be a key ring: projects/P/locations/L/keyRings/R"};
  }
  return {};
}

VaultStatus CheckProtection(const std::string& provider, const std::string& protection) {
  if (protection == "hsm") return {};
  if (protection != "software") return VaultFailure{400, "protection must be hsm or software"};
  if (provider == "gcpckms") return {};
  return VaultFailure{400, "awskms protects keys by hsm only"};
}

std::unique_ptr<KeyCollection> OpenCollection(const Operation& op, const KmsEntry& entry,
                                              json::object credentials) {
  const auto open = entry.provider == "gcpckms" ? OpenGoogleCollection : OpenAwsCollection;
  return open(op, entry.key_collection, std::move(credentials));
}

VaultFailure RefusedBy(std::string_view receiver, std::string_view operation, int status,
                       std::string_view said) {
  if (status == 0) return {502, fmt::format("{} did not answer {}", receiver, operation)};
  return {status >= 500 || status == 429 ? 502 : 400,
          fmt::format("{} refused {}: {}", receiver, operation, said)};
}

}  // namespace freehold::embedded::vault
