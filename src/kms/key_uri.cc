#include "kms/key_uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <vector>

#include "fmt/format.h"
#include "kms/key_text.h"

namespace freehold {
namespace {

// In the order of KmsType.
constexpr std::array<std::string_view, 6> kTypeNames = {
    "AWS_KMS", "GCP_CLOUD_KMS", "AZURE_KEY_VAULT", "HASHICORP_VAULT", "PKCS11", "KMIP"};

// A token is sent to hosts with these names only: Azure's own, in its three clouds.
constexpr std::string_view kHsmSuffix = ".managedhsm.";
constexpr std::array<std::string_view, 6> kAzureSuffixes = {
    ".vault.azure.net",      ".vault.azure.cn",      ".vault.usgovcloudapi.net",
    ".managedhsm.azure.net", ".managedhsm.azure.cn", ".managedhsm.usgovcloudapi.net"};

std::vector<std::string_view> Split(std::string_view text, char separator, std::size_t most) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < most) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  parts.push_back(text);
  return parts;
}

// Letters and digits of ASCII, whatever the locale: all of these end up in host names and headers.
bool IsAlnum(unsigned char c) { return c < 0x80 && std::isalnum(c) != 0; }
bool IsLabel(unsigned char c) { return IsAlnum(c) || c == '-'; }
bool IsWord(unsigned char c) { return IsLabel(c) || c == '_'; }
bool IsName(unsigned char c) { return IsWord(c) || c == '.'; }
bool IsHex(unsigned char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

// "example.com:orders" is one of a domain's; a path that goes up is none.
bool IsProject(std::string_view text) {
  constexpr auto kCharacter = [](unsigned char c) { return IsLabel(c) || c == '.' || c == ':'; };
  return AllOf(text, 128, kCharacter) && IsAlnum(static_cast<unsigned char>(text.front())) &&
         text.find("..") == std::string_view::npos;
}

bool IsPathName(std::string_view text) {
  return AllOf(text, 128, IsName) && text != "." && text != "..";
}

Error Refused(std::string_view text, std::string_view why) {
  // A PIN does not belong here, and is one all the same.
  const auto pin = Lower(text).find("pin-");
  const std::string_view shown = text.substr(0, pin);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("key URI '{}{}': {}", shown, shown == text ? "" : "...", why));
}

Result<AwsKeyArn> ParseAws(std::string_view text, std::string_view arn) {
  const auto parts = Split(arn, ':', 6);
  if (parts.size() != 6 || parts[0] != "arn" || parts[2] != "kms") {
    return Refused(text, "is not an AWS KMS key ARN (arn:aws:kms:REGION:ACCOUNT:key/ID)");
  }
  if (parts[5].starts_with("alias/")) {
    return Refused(text, "names an alias, which can be moved to another key; give the key's ARN");
  }
  if (!parts[5].starts_with("key/")) return Refused(text, "does not end in key/ID");
  const std::string_view key_id = parts[5].substr(4);
  if (!AllOf(parts[1], 63, IsLabel) || !AllOf(parts[3], 63, IsLabel) ||
      !AllOf(key_id, 128, IsLabel)) {
    return Refused(text, "has a character that does not belong in a key ARN");
  }
  if (parts[4].size() != 12 || !AllOf(parts[4], 12, IsDigit)) {
    return Refused(text, "has an account that is not 12 digits");
  }
  return AwsKeyArn{std::string(parts[1]), std::string(parts[3]), std::string(parts[4]),
                   std::string(key_id)};
}

Result<GcpKeyName> ParseGcp(std::string_view text, std::string_view name) {
  const auto parts = Split(name, '/', 9);
  if (parts.size() >= 9 && parts[8].starts_with("cryptoKeyVersions")) {
    return Refused(text, "names one version of the key; give the key");
  }
  if (parts.size() != 8 || parts[0] != "projects" || parts[2] != "locations" ||
      parts[4] != "keyRings" || parts[6] != "cryptoKeys") {
    return Refused(text,
                   "is not a Cloud KMS key "
                   "(projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY)");
  }
  if (!IsProject(parts[1]) || !AllOf(parts[3], 63, IsLabel) || !AllOf(parts[5], 63, IsWord) ||
      !AllOf(parts[7], 63, IsWord)) {
    return Refused(text, "has a character that does not belong in a key's name");
  }
  return GcpKeyName{std::string(parts[1]), std::string(parts[3]), std::string(parts[5]),
                    std::string(parts[7])};
}

Result<AzureKeyId> ParseAzure(std::string_view text, std::string_view id) {
  const auto parts = Split(id, '/', 5);
  if (parts.size() < 3 || parts.size() > 4 || parts[1] != "keys") {
    return Refused(text, "is not a Key Vault key (https://VAULT.vault.azure.net/keys/NAME)");
  }
  AzureKeyId key{Lower(parts[0]), Lower(parts[2]),
                 parts.size() == 4 ? Lower(parts[3]) : std::string()};
  const auto dot = key.host.find('.');
  const std::string_view suffix =
      dot == std::string::npos ? "" : std::string_view(key.host).substr(dot);
  if (std::find(kAzureSuffixes.begin(), kAzureSuffixes.end(), suffix) == kAzureSuffixes.end()) {
    return Refused(text,
                   "names a host that is no Azure key vault (VAULT.vault.azure.net, "
                   "HSM.managedhsm.azure.net, or their like in Azure's other clouds)");
  }
  if (!AllOf(std::string_view(key.host).substr(0, dot), 24, IsLabel) ||
      !AllOf(key.key, 127, IsLabel)) {
    return Refused(text, "has a character that does not belong in a vault's or a key's name");
  }
  if (parts.size() == 4 && (key.version.size() != 32 || !AllOf(key.version, 32, IsHex))) {
    return Refused(text, "has a version that is not 32 hex digits");
  }
  return key;
}

// One spelling of a host: in lower case, without the dot that ends a full name, and an address as
// four numbers, whichever way a resolver would take it. "" when it is none.
std::string HostOf(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  const auto is_host = [](unsigned char c) { return IsLabel(c) || c == '.'; };
  if (!AllOf(text, 253, is_host)) return "";
  const std::string host = Lower(text);
  in_addr address{};
  if (inet_aton(host.c_str(), &address) == 0) return host;
  char shown[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address, shown, sizeof(shown)) == nullptr ? "" : shown;
}

// host or host:port, in one spelling and with the port; "" when it is neither.
std::string AuthorityOf(std::string_view authority, std::string_view usual_port) {
  const auto colon = authority.find(':');
  const std::string_view port_text =
      colon == std::string_view::npos ? usual_port : authority.substr(colon + 1);
  const std::string host = HostOf(authority.substr(0, colon));
  if (host.empty() || !AllOf(port_text, 5, IsDigit)) return "";
  std::uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto read = std::from_chars(port_text.data(), end, port);
  if (read.ec != std::errc() || port == 0) return "";
  return fmt::format("{}:{}", host, port);
}

Result<VaultKeyPath> ParseVault(std::string_view text, std::string_view rest) {
  VaultKeyPath path;
  if (const auto query = rest.find('?'); query != std::string_view::npos) {
    const std::string_view name_space = rest.substr(query + 1);
    if (!name_space.starts_with("namespace=")) {
      return Refused(text, "has a query that is not namespace=NAME");
    }
    path.name_space = name_space.substr(10);
    if (path.name_space == "root") path.name_space.clear();  // Vault's word for none
    rest = rest.substr(0, query);
  }
  auto parts = Split(rest, '/', 32);
  if (parts.size() < 4 || parts[parts.size() - 2] != "keys") {
    return Refused(text, "is not a transit key (hcvault://HOST:PORT/transit/keys/NAME)");
  }
  path.authority = AuthorityOf(parts[0], "8200");
  if (path.authority.empty()) return Refused(text, "has no usable host");
  path.key = parts.back();
  for (std::size_t i = 1; i + 2 < parts.size(); ++i) {
    if (!path.mount.empty()) path.mount += '/';
    path.mount += parts[i];
  }
  const auto all_names = [](const std::string& names) {
    for (const std::string_view name : Split(names, '/', 32)) {
      if (!IsPathName(name)) return false;
    }
    return true;
  };
  if (!all_names(path.mount) || !IsPathName(path.key) ||
      (!path.name_space.empty() && !all_names(path.name_space))) {
    return Refused(text, "has a character that does not belong in a mount, a namespace or a key");
  }
  return path;
}

// RFC 7512's percent-encoding. Control characters stay out: values end up in messages.
Result<std::string> PercentDecoded(std::string_view text, std::string_view value, bool is_text) {
  std::string decoded;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '%') {
      decoded.push_back(value[i]);
      continue;
    }
    const auto octet = HexDecode(Lower(value.substr(i + 1, 2)));
    if (!octet.ok() || octet->size() != 1) return Refused(text, "has a '%' without two hex digits");
    decoded.push_back(static_cast<char>((*octet)[0]));
    i += 2;
  }
  if (decoded.empty() || decoded.size() > 255)
    return Refused(text, "has an empty or endless value");
  if (is_text && Printable(decoded) != decoded) {
    return Refused(text, "has a character that cannot be printed");
  }
  return decoded;
}

std::string PercentEncoded(std::string_view value) {
  std::string encoded;
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    const bool plain = IsName(octet) || std::string_view("~ :[]@!$'()*+,=&/").find(c) < 17;
    encoded += plain && c != ' ' ? std::string(1, c) : fmt::format("%{:02X}", octet);
  }
  return encoded;
}

Status SetPkcs11(Pkcs11KeyName& key, std::string_view text, std::string_view attribute) {
  const auto equals = attribute.find('=');
  if (equals == std::string_view::npos) return Refused(text, "has an attribute without a value");
  const std::string_view name = attribute.substr(0, equals);
  const std::string value = TRY(PercentDecoded(text, attribute.substr(equals + 1), name != "id"));
  if (name == "id") {
    key.id = ToBytes(AsBytes(value));
    return {};
  }
  if (name == "type" && value == "secret-key") return {};
  const std::pair<std::string_view, std::string*> known[] = {{"token", &key.token},
                                                             {"manufacturer", &key.manufacturer},
                                                             {"serial", &key.serial},
                                                             {"model", &key.model},
                                                             {"object", &key.object}};
  for (const auto& [known_name, slot] : known) {
    if (name != known_name) continue;
    if (!slot->empty()) return Refused(text, fmt::format("has two values for {}", name));
    *slot = value;
    return {};
  }
  return Refused(text, fmt::format("has the attribute {}, which names no secret key of a token",
                                   Printable(name)));
}

Result<Pkcs11KeyName> ParsePkcs11(std::string_view text, std::string_view path) {
  if (path.find('?') != std::string_view::npos) {
    return Refused(text,
                   "has a query: the module and the PIN belong to this machine's configuration "
                   "(FREEHOLD_PKCS11_MODULE, FREEHOLD_PKCS11_PIN_FILE)");
  }
  Pkcs11KeyName key;
  for (const std::string_view attribute : Split(path, ';', 32)) {
    TRY(SetPkcs11(key, text, attribute));
  }
  if (key.token.empty() && key.serial.empty()) {
    return Refused(text, "names no token (token=NAME or serial=NUMBER)");
  }
  if (key.object.empty() && key.id.empty()) {
    return Refused(text, "names no key (object=LABEL or id=%..)");
  }
  return key;
}

Result<KmipKeyId> ParseKmip(std::string_view text, std::string_view rest) {
  const auto parts = Split(rest, '/', 2);
  if (parts.size() != 2) {
    return Refused(text, "is not a key of a KMIP server (kmip://HOST:PORT/UNIQUE-IDENTIFIER)");
  }
  KmipKeyId key{AuthorityOf(parts[0], "5696"), std::string(parts[1])};
  if (key.authority.empty()) return Refused(text, "has no usable host");
  if (!IsPathName(key.identifier)) {
    return Refused(text, "has a character that does not belong in a unique identifier");
  }
  return key;
}

std::string Format(const AwsKeyArn& key) {
  return fmt::format("arn:{}:kms:{}:{}:key/{}", key.partition, key.region, key.account, key.key_id);
}

std::string Format(const GcpKeyName& key) { return key.Path(); }

std::string Format(const AzureKeyId& key) {
  return fmt::format("{}/keys/{}{}{}", key.host, key.key, key.version.empty() ? "" : "/",
                     key.version);
}

std::string Format(const VaultKeyPath& key) {
  return fmt::format("{}/{}/keys/{}{}{}", key.authority, key.mount, key.key,
                     key.name_space.empty() ? "" : "?namespace=", key.name_space);
}

std::string Format(const KmipKeyId& key) {
  return fmt::format("{}/{}", key.authority, key.identifier);
}

std::string Format(const Pkcs11KeyName& key) {
  std::string text;
  const std::pair<std::string_view, std::string_view> values[] = {
      {"token", key.token},
      {"manufacturer", key.manufacturer},
      {"serial", key.serial},
      {"model", key.model},
      {"object", key.object}};
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : ";", name, PercentEncoded(value));
  }
  if (!key.id.empty()) text += ";id=";
  for (const std::uint8_t octet : key.id) text += fmt::format("%{:02X}", octet);
  return text;
}

}  // namespace

std::string_view NameOf(KmsType type) { return kTypeNames[static_cast<std::size_t>(type)]; }

Result<KmsType> KmsTypeFromName(std::string_view name) {
  for (std::size_t i = 0; i < kTypeNames.size(); ++i) {
    if (kTypeNames[i] == name) return static_cast<KmsType>(i);
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no type of KMS known here", name));
}

std::string GcpKeyName::Path() const {
  return fmt::format("projects/{}/locations/{}/keyRings/{}/cryptoKeys/{}", project, location,
                     key_ring, key);
}

bool AzureKeyId::IsManagedHsm() const { return host.find(kHsmSuffix) != std::string::npos; }

Result<KeyUri> KeyUri::Parse(std::string_view text) {
  const auto after = [text](std::string_view scheme) { return text.substr(scheme.size()); };
  const auto found = [](std::string_view scheme, auto key) {
    std::string canonical = std::string(scheme) + Format(key);
    return KeyUri(std::move(canonical), std::move(key));
  };
  if (text.starts_with(kAwsScheme) || text.starts_with("arn:")) {
    return found(kAwsScheme,
                 TRY(ParseAws(text, text.starts_with("arn:") ? text : after(kAwsScheme))));
  }
  if (text.starts_with(kGcpScheme) || text.starts_with("projects/")) {
    return found(kGcpScheme,
                 TRY(ParseGcp(text, text.starts_with("projects/") ? text : after(kGcpScheme))));
  }
  if (text.starts_with(kAzureScheme) || text.starts_with("https://")) {
    const std::string_view scheme = text.starts_with("https://") ? "https://" : kAzureScheme;
    return found(kAzureScheme, TRY(ParseAzure(text, after(scheme))));
  }
  if (text.starts_with(kVaultScheme)) {
    return found(kVaultScheme, TRY(ParseVault(text, after(kVaultScheme))));
  }
  if (text.starts_with(kPkcs11Scheme)) {
    return found(kPkcs11Scheme, TRY(ParsePkcs11(text, after(kPkcs11Scheme))));
  }
  if (text.starts_with(kKmipScheme)) {
    return found(kKmipScheme, TRY(ParseKmip(text, after(kKmipScheme))));
  }
  return Refused(text,
                 "must start with aws-kms://arn:, gcp-kms://projects/, azure-kv://, hcvault://, "
                 "pkcs11: or kmip://");
}

std::string KeyUri::AwsArn() const { return Format(aws()); }

bool KeyUri::IsReplicaOf(const KeyUri& other) const {
  if (type() != KmsType::kAwsKms || other.type() != KmsType::kAwsKms || *this == other)
    return false;
  const AwsKeyArn &here = aws(), &there = other.aws();
  return here.key_id.starts_with("mrk-") && here.key_id == there.key_id &&
         here.partition == there.partition && here.account == there.account;
}

std::string KeyUri::Region() const {
  if (type() == KmsType::kAwsKms) return aws().region;
  return type() == KmsType::kGcpCloudKms ? gcp().location : "";
}

std::string CanonicalKeyUri(std::string_view text) {
  const auto uri = KeyUri::Parse(text);
  return uri.ok() ? uri->text() : std::string(text);
}

}  // namespace freehold
