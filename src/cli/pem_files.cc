#include "cli/pem_files.h"

#include <string.h>

#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

Error NoCertificate(const std::string& path) {
  return Error(ErrorCode::kInvalidArgument, path + " holds no certificate in PEM");
}

Result<SecretBytes> ReadKey(const std::string& path) {
  Bytes bytes = TRY(ReadRegularFile(path));
  SecretBytes secret = SecretBytes::CopyOf(bytes);
  explicit_bzero(bytes.data(), bytes.size());
  return secret;
}

}  // namespace

Result<CertificateAndKey> ReadCertificateAndKey(const std::string& certificate_path,
                                                const std::string& key_path) {
  const Bytes certificate = TRY(ReadRegularFile(certificate_path));
  SecretBytes key = TRY(ReadKey(key_path));
  const auto owner = OwnerOfPem(AsText(certificate));
  if (!owner.ok()) return NoCertificate(certificate_path);
  const auto fits = IsKeyOf(key, *owner);
  if (!fits.ok()) {
    return Error(ErrorCode::kInvalidArgument,
                 key_path + " holds no private key in unencrypted PEM");
  }
  if (*fits) return CertificateAndKey{std::string(AsText(certificate)), std::move(key)};
  return Error(
      ErrorCode::kInvalidArgument,
      fmt::format("{} is not the key of the certificate in {}", key_path, certificate_path));
}

Status CheckHoldsCertificate(const std::string& path) {
  if (path.empty()) return {};
  const Bytes pem = TRY(ReadRegularFile(path));
  return OwnerOfPem(AsText(pem)).ok() ? Status() : NoCertificate(path);
}

}  // namespace freehold::cli
