#include "kms/aws/aws_kms_client.h"

#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "fmt/format.h"
#include "kms/aws/classify.h"

namespace freehold::aws {
namespace {

namespace json = boost::json;

tl::unexpected<KmsFailure> Odd(std::string_view operation, std::string message,
                               KmsMeaning meaning = KmsMeaning::kNotUnderstood) {
  return tl::unexpected(OwnFailure(meaning, operation, std::move(message)));
}

json::object ContextObject(const EncryptionContext& context) {
  json::object object;
  for (const auto& [name, value] : context) object[name] = value;
  return object;
}

KmsResult<SecretBytes> PlaintextOf(std::string_view operation, json::object& answer) {
  auto secret = TakeSecret(answer, "Plaintext");
  if (!secret.has_value()) return Odd(operation, "the answer holds no plaintext");
  return std::move(*secret);
}

KmsResult<WrappedKey> WrappedOf(std::string_view operation, const json::object& answer) {
  auto blob = Base64Decode(TextOf(answer, "CiphertextBlob"));
  if (!blob.ok() || blob->empty()) return Odd(operation, "the answer holds no ciphertext");
  std::string algorithm = TextOf(answer, "EncryptionAlgorithm");
  if (algorithm.empty()) algorithm = "SYMMETRIC_DEFAULT";
  return WrappedKey{std::move(*blob), TextOf(answer, "KeyMaterialId"), std::move(algorithm)};
}

// Seconds since 1970, as the service writes times; "" for none.
std::string TimeOf(const json::object& object, std::string_view name) {
  constexpr double kFarthest = 253'402'300'799;  // the year 9999
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return "";
  const auto seconds = value->to_number<double>();
  if (!(seconds > 0 && seconds < kFarthest)) return "";
  return FormatTime({std::chrono::seconds(static_cast<std::int64_t>(seconds))});
}

}  // namespace

AwsKmsClient::AwsKmsClient(ServiceEndpoint endpoint, AwsCredentials credentials,
                           std::string key_arn, Surroundings surroundings)
    : endpoint_(std::move(endpoint)),
      credentials_(std::move(credentials)),
      key_arn_(std::move(key_arn)),
      surroundings_(std::move(surroundings)) {}

KmsResult<WrappedKey> AwsKmsClient::Encrypt(const SecretBytes& plaintext,
                                            const EncryptionContext& context) {
  auto answer = Call("Encrypt",
                     {{"Plaintext", Base64Encode(plaintext.ExposeSecret())},
                      {"EncryptionContext", ContextObject(context)}},
                     true);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  return WrappedOf("Encrypt", *answer);
}

KmsResult<Decrypted> AwsKmsClient::Decrypt(const WrappedKey& wrapped,
                                           const EncryptionContext& context) {
  auto answer = Call("Decrypt",
                     {{"CiphertextBlob", Base64Encode(wrapped.ciphertext)},
                      {"EncryptionContext", ContextObject(context)}},
                     true);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  auto plaintext = PlaintextOf("Decrypt", *answer);
  if (!plaintext.has_value()) return tl::unexpected(plaintext.error());
  return Decrypted{std::move(*plaintext), TextOf(*answer, "KeyMaterialId")};
}

KmsResult<DataKey> AwsKmsClient::GenerateDataKey(const EncryptionContext& context) {
  auto answer = Call("GenerateDataKey",
                     {{"KeySpec", "AES_256"}, {"EncryptionContext", ContextObject(context)}}, true);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  auto plaintext = PlaintextOf("GenerateDataKey", *answer);
  if (!plaintext.has_value()) return tl::unexpected(plaintext.error());
  auto wrapped = WrappedOf("GenerateDataKey", *answer);
  if (!wrapped.has_value()) return tl::unexpected(wrapped.error());
  return DataKey{std::move(*plaintext), std::move(*wrapped)};
}

KmsResult<KeyMetadata> AwsKmsClient::DescribeKey() {
  auto answer = Call("DescribeKey", {}, false);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  const auto* value = answer->if_contains("KeyMetadata");
  if (value == nullptr || !value->is_object()) {
    return Odd("DescribeKey", "the answer holds no KeyMetadata");
  }
  const json::object& metadata = value->get_object();
  if (const std::string arn = TextOf(metadata, "Arn"); arn != key_arn_) {
    return Odd("DescribeKey", fmt::format("the answer is about another key: '{}'", arn),
               KmsMeaning::kWrongKey);
  }
  return KeyMetadata{TextOf(metadata, "KeyState"), TextOf(metadata, "KeyUsage"),
                     TextOf(metadata, "KeySpec"), TextOf(metadata, "CurrentKeyMaterialId"),
                     TimeOf(metadata, "DeletionDate")};
}

KmsResult<bool> AwsKmsClient::GetKeyRotationStatus() {
  auto answer = Call("GetKeyRotationStatus", {}, false);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  const auto* value = answer->if_contains("KeyRotationEnabled");
  if (value == nullptr || !value->is_bool()) {
    return Odd("GetKeyRotationStatus", "the answer does not say");
  }
  return value->get_bool();
}

KmsResult<json::object> AwsKmsClient::Call(const std::string& operation, json::object request,
                                           bool names_key) {
  request["KeyId"] = key_arn_;
  const std::string body = json::serialize(request);
  auto answer = WithRetries<json::object>(surroundings_, [&] { return CallOnce(operation, body); });
  if (!answer.has_value()) {
    // An answer to DescribeKey itself cannot be refined: asking again would never end.
    const bool vague =
        answer.error().code == "KMSInvalidStateException" && operation != "DescribeKey";
    return vague ? tl::unexpected(Refined(std::move(answer.error()))) : std::move(answer);
  }
  if (const std::string key = TextOf(*answer, "KeyId"); names_key && key != key_arn_) {
    return Odd(operation, fmt::format("the answer is about another key: '{}'", key),
               key.empty() ? KmsMeaning::kNotUnderstood : KmsMeaning::kWrongKey);
  }
  return answer;
}

KmsResult<json::object> AwsKmsClient::CallOnce(const std::string& operation,
                                               const std::string& body) {
  auto response = Post(endpoint_,
                       {{"content-type", "application/x-amz-json-1.1"},
                        {"x-amz-target", "TrentService." + operation}},
                       body, &credentials_, surroundings_);
  if (!response.has_value()) return tl::unexpected(FailureOf(operation, response.error()));
  if (response->status != 200) {
    const ServiceError error = ReadJsonError(*response);
    return tl::unexpected(FailureOf(operation, error, MeaningOfKmsError(error)));
  }
  boost::system::error_code failure;
  auto value = json::parse(response->body, failure);
  WipeMemory(response->body.data(), response->body.size());
  if (failure || !value.is_object()) return Odd(operation, "the answer is not a JSON object");
  return std::move(value.get_object());
}

KmsFailure AwsKmsClient::Refined(KmsFailure failure) {
  const auto metadata = DescribeKey();
  if (!metadata.has_value()) return failure;
  failure.meaning = MeaningOfKeyState(metadata->key_state);
  failure.kms_class = InfoOf(failure.meaning).kms_class;
  failure.message += fmt::format(" (the key's state is {})", metadata->key_state);
  return failure;
}

}  // namespace freehold::aws
