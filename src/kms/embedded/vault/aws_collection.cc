// A Region of AWS's KMS: every version is a key of its own with imported material, and the alias
// means the newest.
#include <algorithm>
#include <boost/json.hpp>

#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/embedded/vault/key_collection.h"
#include "kms/service/json_service.h"
#include "kms/sigv4.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr std::string_view kReceiver = "AWS KMS";

json::object ObjectIn(const std::string& text) {
  boost::system::error_code failure;
  auto value = json::parse(text, failure);
  return !failure && value.is_object() ? std::move(value.get_object()) : json::object();
}

// RFC 7468 wants short lines.
std::string PemOf(std::string_view base64) {
  std::string pem = "-----BEGIN PUBLIC KEY-----\n";
  for (; !base64.empty(); base64.remove_prefix(std::min<std::size_t>(64, base64.size()))) {
    pem.append(base64.substr(0, 64)).append("\n");
  }
  return pem + "-----END PUBLIC KEY-----\n";
}

class AwsCollection : public KeyCollection {
 public:
  AwsCollection(const Operation& op, std::string region, json::object credentials)
      : op_(op), region_(std::move(region)), credentials_(std::move(credentials)) {}

  VaultStatus Prove() override {
    const HttpResponse answer = Send("sts", {{"content-type", "application/x-www-form-urlencoded"}},
                                     "Action=GetCallerIdentity&Version=2011-06-15");
    if (answer.status == 200) return {};
    return RefusedBy("AWS STS", "GetCallerIdentity", answer.status,
                     "the credentials are not valid");
  }

  std::string NameOf(const std::string& key, std::int64_t suffix) const override {
    return fmt::format("hashicorp/{}-{}", key, suffix);
  }

  // AWS tells what a caller may do by doing it only.
  VaultStatus Begin(const Distribution&) override { return {}; }

  VaultResult<std::string> Import(const Distribution& key, const SecretBytes& material) override {
    const json::object made = VAULT_TRY(
        Ask("CreateKey", {{"Origin", "EXTERNAL"},
                          {"Description", fmt::format("Distributed by Vault as {}", key.name)}}));
    const std::string id = TextOf(ObjectOf(made, "KeyMetadata"), "KeyId");
    auto imported = ImportInto(id, material);
    if (imported.ok()) return id;
    return AfterCleaning(RemoveVersion(id), imported.error(), id);
  }

  VaultStatus Point(const Distribution& key, bool for_the_first_time) override {
    VAULT_TRY(Ask(for_the_first_time ? "CreateAlias" : "UpdateAlias",
                  {{"AliasName", "alias/" + key.name}, {"TargetKeyId", key.versions.back()}}));
    return {};
  }

  VaultStatus SetEnabled(const std::string& version, bool enabled) override {
    VAULT_TRY(Ask(enabled ? "EnableKey" : "DisableKey", {{"KeyId", version}}));
    return {};
  }

  VaultStatus Remove(const Distribution& key) override {
    VAULT_TRY(AskUnlessGone("DeleteAlias", {{"AliasName", "alias/" + key.name}}));
    for (const std::string& version : key.versions) VAULT_TRY(RemoveVersion(version));
    return {};
  }

  VaultStatus RemoveVersion(const std::string& version) override {
    return AskUnlessGone("ScheduleKeyDeletion", {{"KeyId", version}});
  }

 private:
  VaultStatus ImportInto(const std::string& id, const SecretBytes& material) {
    const json::object parameters =
        VAULT_TRY(Ask("GetParametersForImport", {{"KeyId", id},
                                                 {"WrappingAlgorithm", "RSAES_OAEP_SHA_256"},
                                                 {"WrappingKeySpec", "RSA_3072"}}));
    const auto key = RsaKey::FromPublicPem(PemOf(TextOf(parameters, "PublicKey")));
    if (!key.ok()) return RefusedBy(kReceiver, "GetParametersForImport", 500, "no key came");
    const auto wrapped = key->OaepEncrypt(OaepDigest::kSha256, material.ExposeSecret());
    if (!wrapped.ok()) return VaultFailure{500, "internal error"};
    VAULT_TRY(Ask("ImportKeyMaterial", {{"KeyId", id},
                                        {"ImportToken", TextOf(parameters, "ImportToken")},
                                        {"EncryptedKeyMaterial", Base64Encode(*wrapped)},
                                        {"ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE"}}));
    return {};
  }

  static VaultFailure AfterCleaning(const VaultStatus& cleaned, VaultFailure failure,
                                    const std::string& id) {
    if (cleaned.ok()) return failure;
    failure.text +=
        fmt::format("; key {} stays there without material: {}", id, cleaned.error().text);
    return failure;
  }

  VaultStatus AskUnlessGone(std::string_view operation, const json::object& body) {
    std::string code;
    const auto answer = Ask(operation, body, &code);
    // Pending deletion already, or gone: by whoever administers the Region.
    if (code == "NotFoundException" || code == "KMSInvalidStateException") return {};
    if (!answer.ok()) return answer.error();
    return {};
  }

  VaultAnswer Ask(std::string_view operation, const json::object& body,
                  std::string* code = nullptr) {
    const HttpResponse answer = Send("kms",
                                     {{"content-type", "application/x-amz-json-1.1"},
                                      {"x-amz-target", fmt::format("TrentService.{}", operation)}},
                                     json::serialize(body));
    json::object said = ObjectIn(answer.body);
    if (answer.status == 200) return said;
    const std::string kind = TextOf(said, "__type");
    if (code != nullptr) *code = kind;
    return RefusedBy(kReceiver, operation, kind == "ThrottlingException" ? 429 : answer.status,
                     fmt::format("{}: {}", kind, TextOf(said, "message")));
  }

  HttpResponse Send(const std::string& service, HttpHeaders headers, std::string body) {
    headers.emplace_back("host", fmt::format("{}.{}.amazonaws.com", service, region_));
    headers.emplace_back("x-amz-date", SigV4Date(op_.call.now));
    const std::string token = TextOf(credentials_, "session_token");
    if (!token.empty()) headers.emplace_back("x-amz-security-token", token);
    const SigV4Request to_sign{"POST", "/", headers, body};
    const SecretBytes secret = SecretBytes::CopyOf(AsBytes(TextOf(credentials_, "secret_key")));
    headers.emplace_back("authorization", SigV4Authorization(to_sign, {region_, service},
                                                             TextOf(credentials_, "access_key"),
                                                             secret, op_.call.now));
    headers.emplace_back("user-agent", "vault-keymgmt");
    return op_.exchange({"POST", "/", std::move(headers), std::move(body), "vault"});
  }

  const Operation& op_;
  const std::string region_;
  const json::object credentials_;
};

}  // namespace

std::unique_ptr<KeyCollection> OpenAwsCollection(const Operation& op, const std::string& region,
                                                 json::object credentials) {
  return std::make_unique<AwsCollection>(op, region, std::move(credentials));
}

}  // namespace freehold::embedded::vault
