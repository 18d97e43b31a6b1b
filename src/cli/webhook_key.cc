#include "cli/webhook_key.h"

#include <string.h>

#include "base/posix_file.h"
#include "cli/private_place.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

Result<SecretBytes> Decoded(Bytes& text, const std::string& path) {
  std::string_view hex = AsText(text);
  while (hex.ends_with('\n')) hex.remove_suffix(1);
  auto key = HexDecode(hex);
  explicit_bzero(text.data(), text.size());
  if (!key.ok() || key->size() != kKeySize) {
    return Error(ErrorCode::kIo, fmt::format("{} is not a key of 32 bytes in hex", path));
  }
  SecretBytes secret = SecretBytes::CopyOf(*key);
  explicit_bzero(key->data(), key->size());
  return secret;
}

}  // namespace

Result<SecretBytes> LoadWebhookKey(const std::string& directory) {
  const std::string path = directory + "/webhooks.key";
  // Of two servers that begin at once, the second takes what the first has made.
  const UniqueFd lock = TRY(LockBeside(path));
  TRY(CheckIsPrivate(path));
  auto present = ReadRegularFile(path);
  if (present.ok()) return Decoded(*present, path);
  if (present.error().code() != ErrorCode::kNotFound) return present.error();
  SecretBytes made = RandomSecret(kKeySize);
  std::string hex = HexEncode(made.ExposeSecret()) + "\n";
  const Status kept = ReplaceFile(path, AsBytes(hex), 0600);
  explicit_bzero(hex.data(), hex.size());
  TRY(Status(kept));
  return made;
}

}  // namespace freehold::cli
