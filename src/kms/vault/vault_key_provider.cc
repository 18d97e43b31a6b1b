#include "kms/vault/vault_key_provider.h"

#include <boost/json.hpp>
#include <charconv>

#include "fmt/format.h"
#include "kms/encryption_context.h"
#include "kms/vault/classify.h"

namespace freehold::vault {
namespace {

namespace json = boost::json;

// "vault:v3:..." -> "3"; "" when it is no such ciphertext.
std::string VersionOf(std::string_view ciphertext) {
  const auto first = ciphertext.find(":v");
  const auto last = ciphertext.find(':', first == std::string_view::npos ? first : first + 2);
  if (last == std::string_view::npos) return "";
  const std::string_view version = ciphertext.substr(first + 2, last - first - 2);
  int number = 0;
  const auto [end, error] =
      std::from_chars(version.data(), version.data() + version.size(), number);
  const bool is_number = error == std::errc() && end == version.data() + version.size();
  return is_number && number > 0 ? std::string(version) : "";
}

std::int64_t NumberOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool IsTrue(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace

KmsResult<WrappedKey> VaultKeyProvider::Wrap(const SecretBytes& plaintext,
                                             const EncryptionContext& context) {
  const json::object body{{"plaintext", Base64Encode(plaintext.ExposeSecret())},
                          {"associated_data", Base64Encode(AsBytes(CanonicalContext(context)))}};
  auto data = Call("encrypt", TransitPath("encrypt"), &body);
  if (!data.has_value()) return tl::unexpected(data.error());
  const std::string ciphertext = TextOf(*data, "ciphertext");
  const std::string version = VersionOf(ciphertext);
  if (version.empty()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kNotUnderstood, "encrypt", "the answer holds no ciphertext"));
  }
  return WrappedKey{ToBytes(AsBytes(ciphertext)), version, "transit"};
}

KmsResult<SecretBytes> VaultKeyProvider::Unwrap(const WrappedKey& wrapped,
                                                const EncryptionContext& context) {
  const std::string_view ciphertext = AsText(wrapped.ciphertext);
  if (VersionOf(ciphertext).empty() || Printable(ciphertext) != ciphertext) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, "decrypt",
                                     "the wrapped key is no ciphertext of Vault's"));
  }
  const json::object body{{"ciphertext", ciphertext},
                          {"associated_data", Base64Encode(AsBytes(CanonicalContext(context)))}};
  auto data = Call("decrypt", TransitPath("decrypt"), &body);
  if (!data.has_value()) return tl::unexpected(data.error());
  auto plaintext = TakeSecret(*data, "plaintext");
  if (!plaintext.has_value()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kNotUnderstood, "decrypt", "the answer holds no plaintext"));
  }
  return RequireKeySize("decrypt", std::move(*plaintext));
}

KmsResult<KeyFacts> VaultKeyProvider::Describe() {
  auto data = Call("read key", TransitPath("keys"), nullptr);
  if (!data.has_value()) return tl::unexpected(data.error());
  const std::string type = TextOf(*data, "type");
  KeyFacts facts;
  facts.enabled = !IsTrue(*data, "soft_deleted");
  facts.state = facts.enabled ? "Enabled" : "Soft deleted";
  const std::int64_t latest = NumberOf(*data, "latest_version");
  if (latest > 0) facts.key_version = fmt::format("{}", latest);
  facts.rotation_enabled =
      NumberOf(*data, "auto_rotate_period") > 0 ||
      (!TextOf(*data, "auto_rotate_period").empty() && TextOf(*data, "auto_rotate_period") != "0s");
  if (IsTrue(*data, "deletion_allowed")) {
    facts.warnings.emplace_back(
        fmt::format("deletion_allowed is on: one call destroys the key for ever; "
                    "vault write {}/keys/{}/config deletion_allowed=false",
                    access_.uri.vault().mount, access_.uri.vault().key));
  }
  if (IsTrue(*data, "exportable")) {
    facts.warnings.emplace_back("the key is exportable: it may leave Vault in the clear");
  }
  if (type.find("gcm") == std::string::npos && type.find("poly1305") == std::string::npos) {
    facts.warnings.push_back(fmt::format(
        "the key's type is {}, which binds no encryption context: use aes256-gcm96", type));
  }
  return facts;
}

KmsResult<std::string> VaultKeyProvider::Identify() {
  auto data = Call("lookup-self", "auth/token/lookup-self", nullptr);
  if (!data.has_value()) {
    const bool not_allowed = data.error().meaning == KmsMeaning::kPermissionMissing ||
                             data.error().meaning == KmsMeaning::kOurCredentials;
    if (!not_allowed) return tl::unexpected(data.error());
    // A token need not be allowed to look at itself; what it may do with the key shows whether it
    // is good.
    return fmt::format("a token at {}", access_.uri.vault().authority);
  }
  const std::string name = TextOf(*data, "display_name");
  return fmt::format("{} at {}", name.empty() ? "a token" : name, access_.uri.vault().authority);
}

std::string VaultKeyProvider::TransitPath(std::string_view operation) const {
  const VaultKeyPath& key = access_.uri.vault();
  return fmt::format("{}/{}/{}", key.mount, operation, key.key);
}

KmsResult<json::object> VaultKeyProvider::Call(std::string_view operation, const std::string& path,
                                               const json::object* body) {
  auto data =
      JudgedWithFreshCredentials<json::object>([&] { return CallOnce(operation, path, body); });
  if (!data.has_value()) return tl::unexpected(WithRemedy(std::move(data.error())));
  return data;
}

KmsResult<json::object> VaultKeyProvider::CallOnce(std::string_view operation,
                                                   const std::string& path,
                                                   const json::object* body) {
  const auto client = VaultClient::For(access_.uri.vault(), surroundings_);
  if (!client.has_value()) return tl::unexpected(client.error());
  const auto session = LogIn(*client, access_, surroundings_);
  if (!session.has_value()) return tl::unexpected(session.error());
  auto answer = client->Ask(operation, path, body, session->token, access_.uri.vault().name_space);
  LogOut(*client, *session, LoginNamespace(access_, surroundings_));
  if (!answer.has_value()) return tl::unexpected(answer.error());
  if (!answer->ok()) {
    KmsFailure failure = TransitFailure(operation, *answer);
    if (failure.meaning == KmsMeaning::kPermissionMissing && !session->proven) {
      failure = FailureOf(KmsMeaning::kOurCredentials, "VAULT_TOKEN", failure.code,
                          "the token has ended or was revoked, or may do nothing here");
    }
    return tl::unexpected(std::move(failure));
  }
  auto* data = answer->body.if_contains("data");
  if (data == nullptr || !data->is_object()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kNotUnderstood, operation, "the answer holds no data"));
  }
  return std::move(data->get_object());
}

KmsFailure VaultKeyProvider::WithRemedy(KmsFailure failure) const {
  const VaultKeyPath& key = access_.uri.vault();
  if (failure.meaning == KmsMeaning::kPermissionMissing) {
    const bool reads = failure.operation == "read key";
    failure.remedy = fmt::format(
        R"(the policy of our role needs: path "{}/{}/{}" {{ capabilities = ["{}"] }})", key.mount,
        reads ? "keys" : failure.operation, key.key, reads ? "read" : "update");
  } else if (failure.meaning == KmsMeaning::kTrustWithdrawn) {
    failure.remedy = "check the role of the login, its policies and its secret id";
  } else if (failure.meaning == KmsMeaning::kKeyMissing) {
    failure.remedy =
        fmt::format("check the mount and the key: vault read {}/keys/{}", key.mount, key.key);
  } else if (failure.meaning == KmsMeaning::kVersionRetired) {
    failure.remedy = fmt::format(
        "lower min_decryption_version again: vault write {}/keys/{}/config "
        "min_decryption_version=VERSION",
        key.mount, key.key);
  }
  return failure;
}

}  // namespace freehold::vault
