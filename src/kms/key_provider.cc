#include "kms/key_provider.h"

#include <array>

#include "fmt/format.h"

namespace freehold {
namespace {

struct ClassRow {
  KmsClass kms_class;
  std::string_view name;
  ErrorCode code;
};

constexpr std::array kClasses = {
    ClassRow{KmsClass::kDenied, "denied", ErrorCode::kKeyDenied},
    ClassRow{KmsClass::kAmbiguous, "ambiguous", ErrorCode::kKeyAmbiguous},
    ClassRow{KmsClass::kUnreachable, "unreachable", ErrorCode::kKeyUnreachable},
    ClassRow{KmsClass::kOurs, "ours", ErrorCode::kOurCredentials},
    ClassRow{KmsClass::kData, "data", ErrorCode::kKeyData},
};

const ClassRow& RowOf(KmsClass kms_class) {
  for (const ClassRow& row : kClasses) {
    if (row.kms_class == kms_class) return row;
  }
  return kClasses[1];
}

}  // namespace

std::string_view NameOf(KmsClass kms_class) { return RowOf(kms_class).name; }

ErrorCode CodeOf(KmsClass kms_class) { return RowOf(kms_class).code; }

Result<KmsClass> KmsClassFromName(std::string_view name) {
  for (const ClassRow& row : kClasses) {
    if (row.name == name) return row.kms_class;
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no class of KMS answer", name));
}

KmsFailure OwnFailure(KmsClass kms_class, std::string operation, std::string message) {
  KmsFailure failure;
  failure.kms_class = kms_class;
  failure.operation = std::move(operation);
  failure.message = std::move(message);
  return failure;
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
