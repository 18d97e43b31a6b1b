#include "kms/gcp/gcp_key_provider.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/rfc3339.h"
#include "fmt/format.h"
#include "kms/encryption_context.h"
#include "kms/gcp/classify.h"
#include "kms/gcp/remedy.h"

namespace freehold::gcp {
namespace {

namespace json = boost::json;

constexpr std::int64_t kDay = 24 * 3600;

// "86400s" -> 86400; -1 when it is no duration.
std::int64_t SecondsOf(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && end != text.data() ? seconds : -1;
}

bool IsExternal(const json::object& version) {
  return TextOf(version, "protectionLevel").starts_with("EXTERNAL");
}

std::string NumberIn(std::string_view name) {
  return FirstLine(
      name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1));
}

// "Not enabled" is believed when a look shows the same, or when looking is not allowed and the
// sentence itself names the state.
KmsMeaning ConfirmedMeaning(const GcpKmsClient& client, const KmsFailure& failure,
                            const std::string& version) {
  const std::string said = StateIn(failure.message);
  const auto seen = client.Get(version);
  if (!seen.has_value()) {
    const bool hidden = seen.error().meaning == KmsMeaning::kPermissionMissing;
    return hidden && !said.empty() ? MeaningOfState(said) : KmsMeaning::kNotUnderstood;
  }
  const json::object& judged = version.empty() ? ObjectOf(*seen, "primary") : *seen;
  const std::string state = TextOf(judged, "state");
  if (version.empty() && judged.empty()) return KmsMeaning::kVersionRetired;  // no primary version
  if (state == "ENABLED" && said.empty() && IsExternal(judged)) return KmsMeaning::kKeyStoreFailed;
  return MeaningOfState(state);
}

// A time as we write it: Google's may have fractions of a second. "" for what is none.
std::string WholeSeconds(std::string time) {
  if (const auto point = time.find('.'); point != std::string::npos) {
    time.replace(point, std::string::npos, "Z");
  }
  return ParseTime(time).has_value() ? time : "";
}

KeyFacts FactsOf(const json::object& key) {
  KeyFacts facts;
  const json::object& primary = ObjectOf(key, "primary");
  const std::string purpose = FirstLine(TextOf(key, "purpose"));
  facts.state = primary.empty() ? "without a primary version" : FirstLine(TextOf(primary, "state"));
  facts.key_version = NumberIn(TextOf(primary, "name"));
  if (facts.state == "DESTROY_SCHEDULED") {
    facts.deletion_at = WholeSeconds(TextOf(primary, "destroyTime"));
  }
  facts.enabled = facts.state == "ENABLED" && purpose == "ENCRYPT_DECRYPT";
  if (purpose != "ENCRYPT_DECRYPT") {
    facts.state += ", of purpose " + purpose;
    facts.warnings.push_back("a key of purpose " + purpose + " cannot wrap: ENCRYPT_DECRYPT can");
  }
  facts.rotation_enabled =
      SecondsOf(TextOf(key, "rotationPeriod")) > 0 && !TextOf(key, "nextRotationTime").empty();
  const std::int64_t waits = SecondsOf(TextOf(key, "destroyScheduledDuration"));
  if (waits >= 0 && waits < kDay) {
    facts.warnings.push_back(fmt::format(
        "destroyScheduledDuration is {} s: a version that is destroyed by mistake is gone within "
        "a day, and with it the data; it can be set only when a key is made "
        "(--destroy-scheduled-duration)",
        waits));
  }
  return facts;
}

}  // namespace

template <typename T>
KmsResult<T> GcpKeyProvider::With(const std::string& version,
                                  const std::function<KmsResult<T>(const GcpKmsClient&)>& use) {
  std::string account = access_.principal;
  KmsResult<T> result = JudgedWithFreshCredentials<T>([&]() -> KmsResult<T> {
    const auto client = GcpKmsClient::For(access_, surroundings_);
    if (!client.has_value()) return tl::unexpected(client.error());
    account = client->account();
    KmsResult<T> used = use(*client);
    if (!used.has_value() && IsFailedPrecondition(used.error())) {
      const KmsFailure& said = used.error();
      return tl::unexpected(FailureOf(ConfirmedMeaning(*client, said, version), said.operation,
                                      said.code, said.message));
    }
    return used;
  });
  if (!result.has_value() && result.error().remedy.empty()) {
    KmsFailure& failure = result.error();
    const std::string needed = version.empty() ? VersionIn(failure.message) : version;
    failure.remedy = RemedyFor(failure, access_.uri.gcp(), account, needed);
  }
  return result;
}

KmsResult<WrappedKey> GcpKeyProvider::Wrap(const SecretBytes& plaintext,
                                           const EncryptionContext& context) {
  return With<WrappedKey>("", [&](const GcpKmsClient& client) {
    return client.Encrypt(plaintext, CanonicalContext(context));
  });
}

KmsResult<SecretBytes> GcpKeyProvider::Unwrap(const WrappedKey& wrapped,
                                              const EncryptionContext& context) {
  const std::string& version = wrapped.key_version;
  // It comes from a keyring, which anybody may have written, and goes into a path.
  if (version.size() > 9 || version.find_first_not_of("0123456789") != std::string::npos) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, "decrypt",
                                     "the wrapped key's version is no number"));
  }
  return With<SecretBytes>(version, [&](const GcpKmsClient& client) -> KmsResult<SecretBytes> {
    auto plaintext = client.Decrypt(wrapped.ciphertext, CanonicalContext(context));
    if (!plaintext.has_value()) return plaintext;
    return RequireKeySize("decrypt", *std::move(plaintext));
  });
}

KmsResult<KeyFacts> GcpKeyProvider::Describe() {
  return With<KeyFacts>("", [&](const GcpKmsClient& client) -> KmsResult<KeyFacts> {
    const auto key = client.Get("");
    if (key.has_value()) return FactsOf(*key);
    if (key.error().meaning != KmsMeaning::kPermissionMissing) return tl::unexpected(key.error());
    return DescribeUnseen(client, key.error());
  });
}

// The role that lets us use a key does not let us look at it: then only what it lacks matters.
KmsResult<KeyFacts> GcpKeyProvider::DescribeUnseen(const GcpKmsClient& client,
                                                   const KmsFailure& failure) const {
  const std::vector<std::string> needed = {"cloudkms.cryptoKeyVersions.useToEncrypt",
                                           "cloudkms.cryptoKeyVersions.useToDecrypt"};
  const auto held = client.TestPermissions(needed);
  if (!held.has_value()) return tl::unexpected(failure);
  std::string missing;
  for (const std::string& each : needed) {
    if (std::find(held->begin(), held->end(), each) != held->end()) continue;
    missing += missing.empty() ? each : " and " + each;
  }
  const GcpKeyName& key = access_.uri.gcp();
  if (!missing.empty()) {
    KmsFailure lacking = failure;
    lacking.remedy =
        fmt::format("{} is missing: {}", missing, GrantCommand(key, client.account(), kUseRole));
    return tl::unexpected(std::move(lacking));
  }
  KeyFacts facts;
  facts.state = "not shown to us, which may use the key";
  facts.rotation_detail = fmt::format("cloudkms.cryptoKeys.get is missing, which is not needed: {}",
                                      GrantCommand(key, client.account(), kViewRole));
  facts.refused.push_back(failure.operation);
  return facts;
}

KmsResult<std::string> GcpKeyProvider::Identify() {
  return With<std::string>("", [&](const GcpKmsClient& client) -> KmsResult<std::string> {
    if (!client.account().empty()) return client.account();
    const bool is_machines = surroundings_.Variable("GOOGLE_APPLICATION_CREDENTIALS").empty();
    const std::string account = is_machines ? MetadataAccount(surroundings_) : "";
    if (!account.empty()) return account;
    return std::string("an identity of this machine's, which Google does not name");
  });
}

}  // namespace freehold::gcp
