#include "kms/gcp/gcp_kms_client.h"

#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"
#include "kms/gcp/classify.h"
#include "kms/gcp/endpoints.h"
#include "kms/service/crc32c.h"

namespace freehold::gcp {
namespace {

namespace json = boost::json;

constexpr int kTriesWhenDamaged = 3;

// An int64 in JSON is a string.
std::string ChecksumOf(ByteView bytes) { return fmt::format("{}", Crc32c(bytes)); }

bool IsTrue(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

tl::unexpected<KmsFailure> Damaged(std::string_view operation, std::string_view what) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kDamagedAnswer, operation, fmt::format("{} does not fit", what)));
}

template <typename T>
KmsResult<T> WhileDamaged(const std::function<KmsResult<T>()>& attempt) {
  for (int next = 2;; ++next) {
    KmsResult<T> result = attempt();
    const bool again = !result.has_value() && result.error().meaning == KmsMeaning::kDamagedAnswer;
    if (!again || next > kTriesWhenDamaged) return result;
  }
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

KmsResult<GcpKmsClient> GcpKmsClient::For(const KeyAccess& access,
                                          const Surroundings& surroundings) {
  auto endpoint = KmsEndpoint(surroundings);
  if (!endpoint.has_value()) return tl::unexpected(endpoint.error());
  auto token = GetToken(access, surroundings);
  if (!token.has_value()) return tl::unexpected(token.error());
  return GcpKmsClient(std::move(*endpoint), access.uri.gcp().Path(), std::move(*token),
                      surroundings);
}

KmsResult<json::object> GcpKmsClient::Ask(std::string_view operation, const std::string& what,
                                          const json::object* body) const {
  JsonRequest request;
  request.method = body == nullptr ? "GET" : "POST";
  request.url = fmt::format("{}/v1/{}{}", endpoint_, key_, what);
  request.headers = {{"authorization", Bearer(token_.value)}};
  request.ca_bundle = CaBundle(surroundings_);
  if (body != nullptr) {
    request.headers.emplace_back("content-type", "application/json");
    request.body = json::serialize(*body);
  }
  auto answer = AskGoogle(operation, request, surroundings_);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  if (!answer->ok()) return tl::unexpected(KmsServiceFailure(operation, *answer));
  return std::move(answer->body);
}

KmsResult<WrappedKey> GcpKmsClient::CheckedWrapping(const json::object& answer) const {
  if (!IsTrue(answer, "verifiedPlaintextCrc32c") ||
      !IsTrue(answer, "verifiedAdditionalAuthenticatedDataCrc32c")) {
    return Damaged("encrypt", "what the service got");
  }
  auto ciphertext = Base64Decode(TextOf(answer, "ciphertext"));
  if (!ciphertext.ok() || ciphertext->empty() ||
      TextOf(answer, "ciphertextCrc32c") != ChecksumOf(*ciphertext)) {
    return Damaged("encrypt", "the ciphertext's checksum");
  }
  const std::string name = TextOf(answer, "name");
  const std::string before = key_ + "/cryptoKeyVersions/";
  const std::string version = name.starts_with(before) ? name.substr(before.size()) : "";
  if (!IsNumber(version)) {
    return tl::unexpected(OwnFailure(
        KmsMeaning::kWrongKey, "encrypt",
        fmt::format("the answer names {}, which is no version of our key", FirstLine(name))));
  }
  return WrappedKey{*std::move(ciphertext), version, "GOOGLE_SYMMETRIC_ENCRYPTION"};
}

KmsResult<WrappedKey> GcpKmsClient::Encrypt(const SecretBytes& plaintext,
                                            const std::string& context) const {
  const json::object body{{"plaintext", Base64Encode(plaintext.ExposeSecret())},
                          {"plaintextCrc32c", ChecksumOf(plaintext.ExposeSecret())},
                          {"additionalAuthenticatedData", Base64Encode(AsBytes(context))},
                          {"additionalAuthenticatedDataCrc32c", ChecksumOf(AsBytes(context))}};
  return WhileDamaged<WrappedKey>([&]() -> KmsResult<WrappedKey> {
    const auto answer = Ask("encrypt", ":encrypt", &body);
    if (!answer.has_value()) return tl::unexpected(answer.error());
    return CheckedWrapping(*answer);
  });
}

KmsResult<SecretBytes> GcpKmsClient::Decrypt(ByteView ciphertext,
                                             const std::string& context) const {
  const json::object body{{"ciphertext", Base64Encode(ciphertext)},
                          {"ciphertextCrc32c", ChecksumOf(ciphertext)},
                          {"additionalAuthenticatedData", Base64Encode(AsBytes(context))},
                          {"additionalAuthenticatedDataCrc32c", ChecksumOf(AsBytes(context))}};
  return WhileDamaged<SecretBytes>([&]() -> KmsResult<SecretBytes> {
    auto answer = Ask("decrypt", ":decrypt", &body);
    if (!answer.has_value()) return tl::unexpected(answer.error());
    auto plaintext = TakeSecret(*answer, "plaintext");
    if (!plaintext.has_value() ||
        TextOf(*answer, "plaintextCrc32c") != ChecksumOf(plaintext->ExposeSecret())) {
      return Damaged("decrypt", "the plaintext's checksum");
    }
    return *std::move(plaintext);
  });
}

KmsResult<json::object> GcpKmsClient::Get(const std::string& version) const {
  if (version.empty()) return Ask("get key", "", nullptr);
  return Ask("get version", "/cryptoKeyVersions/" + version, nullptr);
}

KmsResult<std::vector<std::string>> GcpKmsClient::TestPermissions(
    const std::vector<std::string>& permissions) const {
  const json::object body{{"permissions", json::array(permissions.begin(), permissions.end())}};
  const auto answer = Ask("testIamPermissions", ":testIamPermissions", &body);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  std::vector<std::string> held;
  if (const auto* list = answer->if_contains("permissions"); list != nullptr && list->is_array()) {
    for (const auto& each : list->get_array()) {
      if (each.is_string()) held.emplace_back(each.get_string());
    }
  }
  return held;
}

}  // namespace freehold::gcp
