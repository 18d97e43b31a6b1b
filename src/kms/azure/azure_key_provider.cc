#include "kms/azure/azure_key_provider.h"

#include <algorithm>
#include <boost/json.hpp>

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/azure/key_facts.h"
#include "kms/azure/payload.h"
#include "kms/azure/remedy.h"
#include "kms/service/jwt.h"

namespace freehold::azure {
namespace {

namespace json = boost::json;

constexpr std::string_view kRsaAlgorithm = "RSA-OAEP-256";
constexpr std::string_view kAesAlgorithm = "A256KW";

tl::unexpected<KmsFailure> NotUnderstood(std::string_view operation, std::string message) {
  return tl::unexpected(OwnFailure(KmsMeaning::kNotUnderstood, operation, std::move(message)));
}

bool IsVersion(std::string_view text) {
  return text.size() == 32 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

}  // namespace

template <typename T>
KmsResult<T> AzureKeyProvider::WithClient(
    const std::function<KmsResult<T>(const KeyVaultClient&)>& work) {
  auto result = JudgedWithFreshCredentials<T>([&]() -> KmsResult<T> {
    const auto client = KeyVaultClient::Open(access_, surroundings_);
    if (!client.has_value()) return tl::unexpected(client.error());
    return work(*client);
  });
  if (!result.has_value()) {
    result.error().remedy = RemedyFor(result.error(), access_, surroundings_);
  }
  return result;
}

KmsResult<WrappedKey> AzureKeyProvider::Wrap(const SecretBytes& plaintext,
                                             const EncryptionContext& context) {
  const SecretBytes payload = SealContext(plaintext, context);
  return WithClient<WrappedKey>(
      [&](const KeyVaultClient& client) { return WrapOnce(client, payload); });
}

KmsResult<WrappedKey> AzureKeyProvider::WrapOnce(const KeyVaultClient& client,
                                                 const SecretBytes& payload) const {
  // Says the type, and which version is the newest.
  const auto bundle = client.Ask("get key", KeyPath(), nullptr);
  if (!bundle.has_value()) return tl::unexpected(bundle.error());
  const json::object& key = ObjectOf(*bundle, "key");
  const auto newest = VersionIn("get key", key);
  if (!newest.has_value()) return tl::unexpected(newest.error());
  const std::string type = TextOf(key, "kty");
  if (!type.starts_with("RSA") && !type.starts_with("oct")) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kWrongUsage, "wrapKey",
                   fmt::format("the key's type is {}, which cannot wrap", Printable(type))));
  }
  const std::string_view algorithm = type.starts_with("oct") ? kAesAlgorithm : kRsaAlgorithm;
  const json::object body{{"alg", algorithm}, {"value", Base64UrlEncode(payload.ExposeSecret())}};
  const auto answer = client.Ask(
      "wrapKey", fmt::format("keys/{}/{}/wrapkey", access_.uri.azure().key, *newest), &body);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  const auto version = VersionIn("wrapKey", *answer);
  if (!version.has_value()) return tl::unexpected(version.error());
  auto ciphertext = Base64UrlDecode(TextOf(*answer, "value"));
  if (!ciphertext.ok() || ciphertext->empty()) {
    return NotUnderstood("wrapKey", "the answer holds no wrapped key");
  }
  return WrappedKey{std::move(*ciphertext), *version, std::string(algorithm)};
}

KmsResult<SecretBytes> AzureKeyProvider::Unwrap(const WrappedKey& wrapped,
                                                const EncryptionContext& context) {
  const std::string& pinned = access_.uri.azure().version;
  if (!IsVersion(wrapped.key_version) ||
      (wrapped.algorithm != kRsaAlgorithm && wrapped.algorithm != kAesAlgorithm)) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, "unwrapKey",
                                     "the wrapped key is none of Key Vault's"));
  }
  if (!pinned.empty() && pinned != wrapped.key_version) {
    return tl::unexpected(OwnFailure(
        KmsMeaning::kWrongKey, "unwrapKey",
        fmt::format("it was wrapped by version {}, and {} is the only one that may be used",
                    wrapped.key_version, pinned)));
  }
  const auto payload = WithClient<SecretBytes>(
      [&](const KeyVaultClient& client) { return UnwrapOnce(client, wrapped); });
  if (!payload.has_value()) return tl::unexpected(payload.error());
  return OpenPayload("unwrapKey", *payload, context);
}

KmsResult<SecretBytes> AzureKeyProvider::UnwrapOnce(const KeyVaultClient& client,
                                                    const WrappedKey& wrapped) const {
  const json::object body{{"alg", wrapped.algorithm},
                          {"value", Base64UrlEncode(wrapped.ciphertext)}};
  auto answer = client.Ask(
      "unwrapKey",
      fmt::format("keys/{}/{}/unwrapkey", access_.uri.azure().key, wrapped.key_version), &body);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  const auto version = VersionIn("unwrapKey", *answer);
  if (!version.has_value()) return tl::unexpected(version.error());
  if (*version != wrapped.key_version) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongKey, "unwrapKey",
                                     "the answer is about another version of the key"));
  }
  auto payload = TakeSecret(*answer, "value", true);
  if (!payload.has_value()) return NotUnderstood("unwrapKey", "the answer holds no key");
  return std::move(*payload);
}

KmsResult<KeyFacts> AzureKeyProvider::Describe() {
  return WithClient<KeyFacts>([&](const KeyVaultClient& client) { return DescribeOnce(client); });
}

KmsResult<KeyFacts> AzureKeyProvider::DescribeOnce(const KeyVaultClient& client) const {
  const AzureKeyId& key = access_.uri.azure();
  const auto bundle = client.Ask("get key", KeyPath(), nullptr);
  if (!bundle.has_value()) return tl::unexpected(bundle.error());
  const auto version = VersionIn("get key", ObjectOf(*bundle, "key"));
  if (!version.has_value()) return tl::unexpected(version.error());
  KeyFacts facts = FactsIn(*bundle, key, surroundings_.clock->Wall());
  facts.key_version = *version;
  auto policy =
      client.Ask("get rotation policy", fmt::format("keys/{}/rotationpolicy", key.key), nullptr);
  if (policy.has_value()) {
    facts.rotation_enabled = RotatesByItself(*policy);
  } else {
    facts.rotation_detail = fmt::format("{}; {}", policy.error().Sentence(),
                                        RemedyFor(policy.error(), access_, surroundings_));
  }
  if (!key.version.empty()) {
    facts.warnings.emplace_back(
        "the key's URI names one version: a rotation at the vault will not be followed");
  }
  return facts;
}

KmsResult<std::string> AzureKeyProvider::Identify() {
  return WithClient<std::string>([](const KeyVaultClient& client) -> KmsResult<std::string> {
    // For people only: what the token says proves nothing to us, and need not be readable.
    const auto jwt = ReadJwtUnverified(AsText(client.token().text.ExposeSecret()));
    if (!jwt.ok()) return "a token of Entra's";
    std::string app = TextOf(jwt->claims, "appid");
    if (app.empty()) app = TextOf(jwt->claims, "azp");
    return FirstLine(fmt::format("application {} in tenant {}", app, TextOf(jwt->claims, "tid")));
  });
}

KmsResult<std::string> AzureKeyProvider::VersionIn(std::string_view operation,
                                                   const json::object& answer) const {
  const AzureKeyId& ours = access_.uri.azure();
  const auto uri = KeyUri::Parse(TextOf(answer, "kid"));
  if (!uri.ok() || uri->type() != KmsType::kAzureKeyVault || uri->azure().version.empty()) {
    return NotUnderstood(operation, "the answer does not say which key it is about");
  }
  const AzureKeyId& theirs = uri->azure();
  const bool other_version = !ours.version.empty() && theirs.version != ours.version;
  if (theirs.host != ours.host || theirs.key != ours.key || other_version) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongKey, operation,
                                     fmt::format("the answer is about {}", uri->text())));
  }
  return theirs.version;
}

std::string AzureKeyProvider::KeyPath() const {
  const AzureKeyId& key = access_.uri.azure();
  return fmt::format("keys/{}{}{}", key.key, key.version.empty() ? "" : "/", key.version);
}

}  // namespace freehold::azure
