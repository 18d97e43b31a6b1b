#include "kms/embedded/ids.h"

#include <algorithm>

#include "crypto/crypto.h"

namespace freehold::embedded {

std::string NewMultiRegionId() { return "mrk-" + HexEncode(RandomBytes(16)); }

std::string NewMaterialId() { return HexEncode(RandomBytes(32)); }

std::string NewUniqueId(std::string_view prefix) {
  constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string id(prefix);
  for (std::uint8_t byte : RandomBytes(16)) id.push_back(kBase32[byte & 31]);
  return id;
}

SecretBytes NewSecretAccessKey() {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  SecretBytes secret = RandomSecret(40);
  for (std::uint8_t& byte : secret.ExposeSecretForWriting()) {
    byte = static_cast<std::uint8_t>(kAlphabet[byte & 63]);
  }
  return secret;
}

bool IsKeyId(std::string_view text) {
  if (!text.starts_with("mrk-")) return IsUuid(text);
  return text.size() == 36 && std::all_of(text.begin() + 4, text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool IsRegion(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool IsAccountId(std::string_view text) {
  return text.size() == 12 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace freehold::embedded
