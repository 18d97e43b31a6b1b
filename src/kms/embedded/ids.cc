#include "kms/embedded/ids.h"

#include <algorithm>

#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::embedded {

std::string NewUuid() {
  Bytes bytes = RandomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const std::string hex = HexEncode(bytes);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

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

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
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
