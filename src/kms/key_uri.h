// KeyUri: which key, at which kind of KMS, as the ecosystem writes it.
//
//   aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-...     or the bare ARN
//   gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K          or the bare resource name
//   azure-kv://acme.vault.azure.net/keys/K[/VERSION]                  or the bare https:// id
//   hcvault://vault.example.com:8200/transit/keys/K[?namespace=N]
//   pkcs11:token=T;object=K[;id=%01...]
//   kmip://kmip.example.com[:5696]/UNIQUE-IDENTIFIER
//
// Whatever can be pointed at another key without the owner's consent is refused, and so is what
// belongs to this machine's configuration: aliases, a module's path, a PIN. Every part holds only
// characters that are harmless in a URL, a header and a message. Two spellings that a KMS takes for
// one have one canonical text: letters of hosts and of Azure's names, a host's last dot, a port.
// Threads: a value.
// Source: Tink's key URIs; RFC 7512 for pkcs11; the services' own ids.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"

namespace freehold {

enum class KmsType { kAwsKms, kGcpCloudKms, kAzureKeyVault, kHashicorpVault, kPkcs11, kKmip };

std::string_view NameOf(KmsType type);  // "AWS_KMS", as in the API's key_spec.type
Result<KmsType> KmsTypeFromName(std::string_view name);

struct AwsKeyArn {
  std::string partition;  // aws, aws-cn, aws-us-gov
  std::string region;
  std::string account;  // 12 digits
  std::string key_id;   // a UUID or mrk-...
};

struct GcpKeyName {
  std::string project;
  std::string location;  // "europe-west1", "global"
  std::string key_ring;
  std::string key;
  std::string Path() const;  // "projects/P/locations/L/keyRings/R/cryptoKeys/K"
};

struct AzureKeyId {
  std::string host;     // "acme.vault.azure.net", lower case
  std::string key;      // lower case: Azure compares names without it
  std::string version;  // 32 hex digits; "" = whatever is newest
  bool IsManagedHsm() const;
};

struct VaultKeyPath {
  std::string authority;   // "vault.example.com:8200"
  std::string name_space;  // "" = the root
  std::string mount;       // "transit", "team/transit"
  std::string key;
};

struct Pkcs11KeyName {
  std::string token;  // these four say which token; "" = any
  std::string manufacturer;
  std::string serial;
  std::string model;
  std::string object;  // label; "" = any
  Bytes id;            // CKA_ID; empty = any
};

// A name would not do: its owner can give it to another key.
struct KmipKeyId {
  std::string authority;   // "kmip.example.com:5696"
  std::string identifier;  // the Unique Identifier that the server gave the key
};

class KeyUri {
 public:
  KeyUri() = default;  // no key: text() is ""
  // kInvalidArgument with one sentence when the text is not a key URI that we can use.
  static Result<KeyUri> Parse(std::string_view text);

  KmsType type() const { return static_cast<KmsType>(key_.index()); }
  const std::string& text() const { return text_; }  // canonical, with its scheme
  // Each is for a URI of its type only.
  const AwsKeyArn& aws() const { return std::get<AwsKeyArn>(key_); }
  const GcpKeyName& gcp() const { return std::get<GcpKeyName>(key_); }
  const AzureKeyId& azure() const { return std::get<AzureKeyId>(key_); }
  const VaultKeyPath& vault() const { return std::get<VaultKeyPath>(key_); }
  const Pkcs11KeyName& pkcs11() const { return std::get<Pkcs11KeyName>(key_); }
  const KmipKeyId& kmip() const { return std::get<KmipKeyId>(key_); }
  std::string AwsArn() const;  // without the scheme
  std::string Region() const;  // as the URI says it; "" where a KMS has none there

  bool operator==(const KeyUri& other) const { return text_ == other.text_; }
  // Two Regions' replicas of one multi-Region key of AWS: what either wraps, the other unwraps.
  bool IsReplicaOf(const KeyUri& other) const;
  // Nothing in the two tells their keys apart: the same one, a replica or another version of it, or
  // one that each names by other attributes. For whatever a key is protected by; to use one,
  // compare the texts. An alias, another host name and a copy in another account are not seen.
  bool IsSameKeyAs(const KeyUri& other) const;

 private:
  using Key =
      std::variant<AwsKeyArn, GcpKeyName, AzureKeyId, VaultKeyPath, Pkcs11KeyName, KmipKeyId>;
  KeyUri(std::string text, Key key) : text_(std::move(text)), key_(std::move(key)) {}

  std::string text_;
  Key key_;  // in the order of KmsType
};

// The text of the key that `text` names; `text` itself when it is no URI.
std::string CanonicalKeyUri(std::string_view text);
// IsSameKeyAs of what they name; texts that are no URIs are compared as they are.
bool NameSameKey(std::string_view a, std::string_view b);

}  // namespace freehold
