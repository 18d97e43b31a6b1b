#include "kms/service/secret_file.h"

#include "base/locked_arena.h"
#include "base/posix_file.h"

namespace freehold {

Result<SecretBytes> ReadSecretFile(const std::string& path) {
  Bytes bytes = TRY(ReadFile(path, 64 << 10));
  std::size_t size = bytes.size();
  while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r')) --size;
  SecretBytes secret = SecretBytes::CopyOf(ByteView(bytes).first(size));
  WipeMemory(bytes.data(), bytes.size());
  if (secret.empty()) return Error(ErrorCode::kInvalidArgument, path + " is empty");
  return secret;
}

}  // namespace freehold
