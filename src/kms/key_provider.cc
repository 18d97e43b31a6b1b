#include "kms/key_provider.h"

#include <algorithm>
#include <cctype>

#include "fmt/format.h"

namespace freehold {
namespace {

Error BadPrincipal(std::string_view principal, std::string_view expected) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("--principal '{}' is not {}", Printable(principal), expected));
}

bool AllOf(std::string_view text, std::string_view beside_letters_and_digits) {
  return !text.empty() && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return (c < 0x80 && std::isalnum(c) != 0) ||
                  beside_letters_and_digits.find(static_cast<char>(c)) != std::string_view::npos;
         });
}

Status CheckName(KmsType type, const std::string& principal) {
  switch (type) {
    case KmsType::kAwsKms:
      if (principal.starts_with("arn:")) return {};
      return BadPrincipal(principal, "an ARN");
    case KmsType::kGcpCloudKms:
      if (AllOf(principal, "-._@") && principal.ends_with(".gserviceaccount.com")) return {};
      return BadPrincipal(principal,
                          "a service account's address (NAME@PROJECT.iam.gserviceaccount.com)");
    case KmsType::kAzureKeyVault:
      if (AllOf(principal, "-.")) return {};
      return BadPrincipal(principal, "a tenant (its id, or one of its domain names)");
    case KmsType::kHashicorpVault:
      if (AllOf(principal, "-._")) return {};
      return BadPrincipal(principal, "the name of a role");
    case KmsType::kKmip:
      return Error(ErrorCode::kInvalidArgument,
                   "--principal: a KMIP server knows no principals, only our certificate");
    case KmsType::kPkcs11:
      break;
  }
  return Error(ErrorCode::kInvalidArgument,
               "--principal: a PKCS#11 token knows no principals, only its PIN");
}

}  // namespace

Status CheckPrincipal(const KeyAccess& access) {
  if (Printable(access.principal) != access.principal ||
      Printable(access.external_id) != access.external_id) {
    return Error(ErrorCode::kInvalidArgument, "--principal has a character that cannot be printed");
  }
  if (!access.external_id.empty()) {
    if (access.uri.type() != KmsType::kAwsKms) {
      return Error(ErrorCode::kInvalidArgument, "--external-id is something that only AWS knows");
    }
    if (access.principal.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   "--external-id is sent when a role is assumed: give --principal too");
    }
  }
  if (access.principal.empty()) return {};
  return CheckName(access.uri.type(), access.principal);
}

KmsFailure FailureOf(KmsMeaning meaning, std::string_view operation, std::string code,
                     std::string message) {
  KmsFailure failure;
  failure.meaning = meaning;
  failure.kms_class = InfoOf(meaning).kms_class;
  failure.operation = operation;
  failure.code = std::move(code);
  failure.message = std::move(message);
  return failure;
}

KmsFailure OwnFailure(KmsMeaning meaning, std::string_view operation, std::string message) {
  return FailureOf(meaning, operation, "", std::move(message));
}

KmsFailure OwnFailure(KmsClass kms_class, const std::string& operation, std::string message) {
  return FailureOf(VaguestOf(kms_class), operation, "", std::move(message));
}

KmsFailure LocalFailure(KmsClass kms_class, const Error& error) {
  KmsFailure failure = OwnFailure(kms_class, "", error.message());
  failure.local_code = error.code();
  return failure;
}

std::string KmsFailure::Sentence() const {
  std::string text = operation;
  for (const std::string& part : {code, message}) {
    if (part.empty()) continue;
    if (!text.empty()) text += ": ";
    text += part;
  }
  return text;
}

}  // namespace freehold
