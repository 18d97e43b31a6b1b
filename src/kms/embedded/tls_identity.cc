#include "kms/embedded/tls_identity.h"

#include "base/posix_file.h"

namespace freehold::embedded {
namespace {

constexpr std::size_t kLimit = 64 << 10;
constexpr std::string_view kLabel = "tls authority";

Result<CertificateAndKey> Authority(const std::string& directory, const MasterKey& master,
                                    WallTime now) {
  const std::string certificate = directory + "/ca.pem";
  const std::string key = directory + "/ca.key";
  if (PathExists(certificate) && PathExists(key)) {
    const Bytes pem = TRY(ReadRegularFile(certificate, kLimit));
    const Bytes sealed = TRY(ReadRegularFile(key, kLimit));
    auto opened = master.Unseal(sealed, kLabel);
    if (!opened.ok()) return StoreRefused(key, "is damaged, or belongs to another master.key");
    return CertificateAndKey{std::string(AsText(pem)), *std::move(opened)};
  }
  auto made = TRY(MakeAuthority("Freehold embedded KMS", now));
  TRY(ReplaceFile(key, TRY(master.Seal(made.key_pem, kLabel)), 0600));
  TRY(ReplaceFile(certificate, AsBytes(made.certificate_pem), 0644));
  return made;
}

}  // namespace

Result<CertificateAndKey> TlsIdentity(const std::string& directory, const MasterKey& master,
                                      WallTime now) {
  const auto authority = TRY(Authority(directory, master, now));
  return MakeServerCertificate(authority,
                               {"localhost", "*.vault.azure.net", "*.managedhsm.azure.net",
                                "cloudkms.googleapis.com", "vault.localhost"},
                               {"127.0.0.1", "::1"}, now);
}

}  // namespace freehold::embedded
