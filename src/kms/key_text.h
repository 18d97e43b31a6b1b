// What the texts of keys are made of: for KeyUri, and for patterns of them.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace freehold {

inline constexpr std::string_view kAwsScheme = "aws-kms://";
inline constexpr std::string_view kGcpScheme = "gcp-kms://";
inline constexpr std::string_view kAzureScheme = "azure-kv://";
inline constexpr std::string_view kVaultScheme = "hcvault://";
inline constexpr std::string_view kPkcs11Scheme = "pkcs11:";
inline constexpr std::string_view kKmipScheme = "kmip://";
inline constexpr std::array<std::string_view, 6> kSchemes = {
    kAwsScheme, kGcpScheme, kAzureScheme, kVaultScheme, kPkcs11Scheme, kKmipScheme};

// Of ASCII, whatever the locale.
inline std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

inline bool AllOf(std::string_view text, std::size_t longest, bool (*allowed)(unsigned char)) {
  return !text.empty() && text.size() <= longest && std::all_of(text.begin(), text.end(), allowed);
}
inline bool IsDigit(unsigned char c) { return c >= '0' && c <= '9'; }

}  // namespace freehold
