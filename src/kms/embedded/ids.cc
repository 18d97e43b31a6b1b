#include "kms/embedded/ids.h"

#include <algorithm>

#include "crypto/crypto.h"

namespace freehold::embedded {

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

bool IsAccountId(std::string_view text) {
  return text.size() == 12 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace freehold::embedded
