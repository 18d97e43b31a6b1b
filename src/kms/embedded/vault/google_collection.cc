// A key ring of Google's: one import-only key, of which every version comes by an import job of its
// own, and the newest is the primary one.
#include <boost/json.hpp>
#include <set>

#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/embedded/ids.h"
#include "kms/embedded/vault/key_collection.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"

namespace freehold::embedded::vault {
namespace {

namespace json = boost::json;

constexpr std::string_view kReceiver = "Cloud KMS";
constexpr std::string_view kHost = "localhost";
constexpr const char* kMethod = "RSA_OAEP_3072_SHA256_AES_256";
constexpr std::string_view kNeeded[] = {
    "cloudkms.cryptoKeys.create",        "cloudkms.cryptoKeys.update",
    "cloudkms.importJobs.create",        "cloudkms.importJobs.useToImport",
    "cloudkms.cryptoKeyVersions.create", "cloudkms.cryptoKeyVersions.update",
    "cloudkms.cryptoKeyVersions.destroy"};

json::object ObjectIn(const std::string& text) {
  boost::system::error_code failure;
  auto value = json::parse(text, failure);
  return !failure && value.is_object() ? std::move(value.get_object()) : json::object();
}

class GoogleCollection : public KeyCollection {
 public:
  GoogleCollection(const Operation& op, std::string ring, json::object credentials)
      : op_(op), ring_(std::move(ring)), credentials_(std::move(credentials)) {}

  VaultStatus Prove() override { return SignIn(); }

  std::string NameOf(const std::string& key, std::int64_t suffix) const override {
    return fmt::format("{}-{}", key, suffix);
  }

  VaultStatus Begin(const Distribution& key) override {
    VAULT_TRY(MayDoAllOfIt());
    VAULT_TRY(Ask("POST", "CreateCryptoKey",
                  fmt::format("{}/cryptoKeys?cryptoKeyId={}&skipInitialVersionCreation=true", ring_,
                              key.name),
                  {{"purpose", "ENCRYPT_DECRYPT"},
                   {"importOnly", true},
                   {"versionTemplate", {{"protectionLevel", LevelOf(key)}}}}));
    return {};
  }

  VaultResult<std::string> Import(const Distribution& key, const SecretBytes& material) override {
    const json::object job =
        VAULT_TRY(Ask("POST", "CreateImportJob",
                      fmt::format("{}/importJobs?importJobId=vault-{}", ring_, NewUuid()),
                      {{"importMethod", kMethod}, {"protectionLevel", LevelOf(key)}}));
    const Bytes wrapped = VAULT_TRY(Wrapped(TextOf(ObjectOf(job, "publicKey"), "pem"), material));
    const json::object version =
        VAULT_TRY(Ask("POST", "ImportCryptoKeyVersion", KeyName(key) + "/cryptoKeyVersions:import",
                      {{"importJob", TextOf(job, "name")},
                       {"algorithm", "GOOGLE_SYMMETRIC_ENCRYPTION"},
                       {"wrappedKey", Base64Encode(wrapped)}}));
    return TextOf(version, "name");
  }

  VaultStatus Point(const Distribution& key, bool) override {
    const std::string& version = key.versions.back();
    VAULT_TRY(Ask("POST", "UpdateCryptoKeyPrimaryVersion", KeyName(key) + ":updatePrimaryVersion",
                  {{"cryptoKeyVersionId", version.substr(version.rfind('/') + 1)}}));
    return {};
  }

  VaultStatus SetEnabled(const std::string& version, bool enabled) override {
    VAULT_TRY(Ask("PATCH", "UpdateCryptoKeyVersion", version + "?updateMask=state",
                  {{"state", enabled ? "ENABLED" : "DISABLED"}}));
    return {};
  }

  // Google keeps a key's name for ever; without a version it can do nothing.
  VaultStatus Remove(const Distribution& key) override {
    for (const std::string& version : key.versions) VAULT_TRY(RemoveVersion(version));
    return {};
  }

  VaultStatus RemoveVersion(const std::string& version) override {
    std::string status;
    const auto answer = Ask("POST", "DestroyCryptoKeyVersion", version + ":destroy", {}, &status);
    // Scheduled or gone already: by whoever administers the ring.
    if (status == "NOT_FOUND" || status == "FAILED_PRECONDITION") return {};
    if (!answer.ok()) return answer.error();
    return {};
  }

 private:
  static const char* LevelOf(const Distribution& key) {
    return key.protection == "hsm" ? "HSM" : "SOFTWARE";
  }
  std::string KeyName(const Distribution& key) const { return ring_ + "/cryptoKeys/" + key.name; }

  static VaultResult<Bytes> Wrapped(const std::string& pem, const SecretBytes& material) {
    const auto key = RsaKey::FromPublicPem(pem);
    if (!key.ok()) return RefusedBy(kReceiver, "CreateImportJob", 500, "no key came");
    const SecretBytes aes = RandomSecret(kKeySize);
    auto first = key->OaepEncrypt(OaepDigest::kSha256, aes.ExposeSecret());
    const auto second = AesKeyWrap(aes, material.ExposeSecret(), true);
    if (!first.ok() || !second.ok()) return VaultFailure{500, "internal error"};
    first->insert(first->end(), second->begin(), second->end());
    return *std::move(first);
  }

  // Asked beforehand: a key that was made can never be taken away.
  VaultStatus MayDoAllOfIt() {
    json::array permissions;
    for (const std::string_view permission : kNeeded) permissions.emplace_back(permission);
    const json::object answer =
        VAULT_TRY(Ask("POST", "TestIamPermissions", ring_ + ":testIamPermissions",
                      {{"permissions", std::move(permissions)}}));
    std::set<std::string> held;
    if (const auto* list = answer.if_contains("permissions")) {
      for (const json::value& each : list->as_array()) held.emplace(each.as_string());
    }
    for (const std::string_view permission : kNeeded) {
      if (held.contains(std::string(permission))) continue;
      return RefusedBy(kReceiver, "the import", 403,
                       fmt::format("{} lacks {} on {}", TextOf(credentials_, "client_email"),
                                   permission, ring_));
    }
    return {};
  }

  VaultStatus SignIn() {
    if (!token_.empty()) return {};
    const auto key =
        RsaKey::FromPem(SecretBytes::CopyOf(AsBytes(TextOf(credentials_, "private_key"))));
    if (!key.ok()) return VaultFailure{400, "private_key of the service account is no RSA key"};
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(op_.call.now.since_epoch).count();
    const auto assertion = SignJwt(*key, {{"kid", TextOf(credentials_, "private_key_id")}},
                                   {{"iss", TextOf(credentials_, "client_email")},
                                    {"scope", "https://www.googleapis.com/auth/cloud-platform"},
                                    {"aud", fmt::format("https://{}/token", kHost)},
                                    {"iat", now},
                                    {"exp", now + 3600}});
    if (!assertion.ok()) return VaultFailure{500, "internal error"};
    HttpRequest request{"POST", "/token", {}, "", "vault"};
    request.headers = {{"host", std::string(kHost)},
                       {"content-type", "application/x-www-form-urlencoded"}};
    request.body = EncodeForm(
        {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", *assertion}});
    const HttpResponse answer = op_.exchange(request);
    const json::object said = ObjectIn(answer.body);
    token_ = TextOf(said, "access_token");
    if (answer.status == 200 && !token_.empty()) return {};
    return RefusedBy("Google", "a token", answer.status, TextOf(said, "error_description"));
  }

  VaultAnswer Ask(std::string_view method, std::string_view operation, const std::string& path,
                  const json::object& body, std::string* status = nullptr) {
    VAULT_TRY(SignIn());
    const HttpResponse answer = op_.exchange({std::string(method),
                                              "/v1/" + path,
                                              {{"host", std::string(kHost)},
                                               {"content-type", "application/json"},
                                               {"authorization", "Bearer " + token_},
                                               {"user-agent", "vault-keymgmt"}},
                                              json::serialize(body),
                                              "vault"});
    json::object said = ObjectIn(answer.body);
    if (answer.status == 200) return said;
    const json::object& error = ObjectOf(said, "error");
    if (status != nullptr) *status = TextOf(error, "status");
    return RefusedBy(kReceiver, operation, answer.status,
                     fmt::format("{}: {}", TextOf(error, "status"), TextOf(error, "message")));
  }

  const Operation& op_;
  const std::string ring_;
  const json::object credentials_;
  std::string token_;
};

}  // namespace

std::unique_ptr<KeyCollection> OpenGoogleCollection(const Operation& op, const std::string& ring,
                                                    json::object credentials) {
  return std::make_unique<GoogleCollection>(op, ring, std::move(credentials));
}

}  // namespace freehold::embedded::vault
