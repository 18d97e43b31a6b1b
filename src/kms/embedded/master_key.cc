#include "kms/embedded/master_key.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold::embedded {
namespace {

constexpr std::string_view kSalt = "freehold embedded kms";

}  // namespace

Error StoreRefused(const std::string& path, std::string_view why) {
  return Error(ErrorCode::kFileCorrupt,
               fmt::format("{} {}. Nothing was changed: restore the whole directory from a copy, "
                           "or serve from an empty one",
                           path, why));
}

Result<MasterKey> MasterKey::Open(const std::string& directory, bool may_be_made) {
  const std::string path = directory + "/master.key";
  SecretBytes master;
  if (!PathExists(path)) {
    if (!may_be_made) return StoreRefused(path, "is missing, and the store needs it");
    master = RandomSecret(kKeySize);
    TRY(ReplaceFile(path, master.ExposeSecret(), 0600));
  } else {
    UniqueFd fd = TRY(OpenFile(path, O_RDONLY));
    struct stat st {};
    if (fstat(fd.get(), &st) != 0) return ErrnoError(errno, path);
    if (st.st_size != kKeySize) return StoreRefused(path, "is damaged: it must have 32 bytes");
    if ((st.st_mode & 077) != 0) {
      return Error(ErrorCode::kPermissionDenied,
                   fmt::format("{} can be read by others; run chmod 600 on it", path));
    }
    master = SecretBytes(kKeySize);
    TRY(ReadExactly(fd.get(), master.ExposeSecretForWriting()));
  }
  MasterKey key;
  key.sealing_key_ = DeriveKey(master, AsBytes(kSalt), "seal", kKeySize);
  key.checking_key_ = DeriveKey(master, AsBytes(kSalt), "check", kKeySize);
  return key;
}

Result<Bytes> MasterKey::Seal(const SecretBytes& secret, std::string_view label) const {
  return GcmEncrypt(sealing_key_, AsBytes(label), secret.ExposeSecret());
}

Result<SecretBytes> MasterKey::Unseal(ByteView sealed, std::string_view label) const {
  return GcmDecrypt(sealing_key_, AsBytes(label), sealed);
}

Digest256 MasterKey::Tag(std::string_view body) const {
  return HmacSha256(checking_key_.ExposeSecret(), AsBytes(body));
}

}  // namespace freehold::embedded
