#include "cli/audit_key.h"

#include <string.h>

#include "base/posix_file.h"
#include "cli/private_place.h"

namespace freehold::cli {

Result<SigningKey> LoadAuditKey(const std::string& directory) {
  const std::string path = directory + "/audit.key";
  // Of two servers that begin at once, the second takes what the first has made.
  const UniqueFd lock = TRY(LockBeside(path));
  TRY(CheckIsPrivate(path));
  auto present = ReadRegularFile(path);
  if (present.ok()) {
    const SecretBytes pem = SecretBytes::CopyOf(*present);
    explicit_bzero(present->data(), present->size());
    auto key = SigningKey::FromPem(pem);
    return key.ok() ? std::move(key) : key.error().Because(path);
  }
  if (present.error().code() != ErrorCode::kNotFound) return present.error();
  SigningKey made = TRY(SigningKey::Generate());
  TRY(ReplaceFile(path, made.PrivatePem().ExposeSecret(), 0600));
  return made;
}

}  // namespace freehold::cli
