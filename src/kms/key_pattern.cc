#include "kms/key_pattern.h"

#include <fnmatch.h>

#include <algorithm>

#include "fmt/format.h"
#include "kms/key_text.h"

namespace freehold {
namespace {

constexpr std::string_view kWild = "*?[\\";

// "arn:aws:..." is a key as well as "aws-kms://arn:aws:...".
std::string WithScheme(std::string_view text) {
  if (text.starts_with("arn:")) return fmt::format("{}{}", kAwsScheme, text);
  if (text.starts_with("projects/")) return fmt::format("{}{}", kGcpScheme, text);
  if (text.starts_with("https://")) return fmt::format("{}{}", kAzureScheme, text.substr(8));
  return std::string(text);
}

// What stands before the first character that matches others.
std::string_view LiteralPart(std::string_view pattern) {
  return pattern.substr(0, pattern.find_first_of(kWild));
}

// Its host and port in the one spelling that they have, where they are there as a whole.
Result<std::string> WithAuthority(const std::string& pattern, std::string_view scheme,
                                  std::string_view path) {
  if (!pattern.starts_with(scheme)) return pattern;
  const auto end = LiteralPart(pattern).find('/', scheme.size());
  if (end == std::string::npos) return pattern;
  const auto any = TRY(KeyUri::Parse(pattern.substr(0, end) + std::string(path)));
  return any.text().substr(0, any.text().size() - path.size()) + pattern.substr(end);
}

// hcvault://HOST/PATH?namespace=N as hcvault://HOST/N/PATH: Vault knows both.
std::string WithNamespaceFirst(std::string text) {
  constexpr std::string_view kQuery = "?namespace=";
  const auto query = text.find(kQuery);
  const auto path = text.find('/', kVaultScheme.size());
  if (!text.starts_with(kVaultScheme) || query == std::string::npos || path > query) return text;
  const std::string name_space = text.substr(query + kQuery.size());
  return text.substr(0, path + 1) + name_space + text.substr(path, query - path);
}

// aws-kms://arn:aws:kms:*:ACCOUNT:key/ID for one Region's pattern.
std::string OfAllRegions(const std::string& pattern) {
  constexpr int kFieldsBefore = 4;
  std::size_t begin = 0;
  for (int i = 0; i < kFieldsBefore; ++i) {
    begin = pattern.find(':', begin);
    if (begin++ == std::string::npos) return pattern;
  }
  const auto end = pattern.find(':', begin);
  return end == std::string::npos ? pattern : pattern.substr(0, begin) + "*" + pattern.substr(end);
}

// azure-kv://HOST/keys/NAME without a version behind it.
std::string OfAllVersions(const std::string& text) {
  const auto name = text.find("/keys/");
  if (name == std::string::npos) return text;
  return text.substr(0, text.find('/', name + std::string_view("/keys/").size()));
}

// All Regions' and all versions' at once, for pattern and key alike.
std::string Widened(const std::string& text, const KeyUri& key) {
  switch (key.type()) {
    case KmsType::kAwsKms:
      return key.aws().key_id.starts_with("mrk-") ? OfAllRegions(text) : text;
    case KmsType::kAzureKeyVault:
      return OfAllVersions(text);
    case KmsType::kHashicorpVault:
      return WithNamespaceFirst(text);
    default:
      return text;
  }
}

bool Matches(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

}  // namespace

Result<std::string> CanonicalKeyPattern(std::string_view text) {
  if (const auto uri = KeyUri::Parse(text); uri.ok()) return uri->text();
  if (text.find_first_of(kWild) == std::string_view::npos) return KeyUri::Parse(text).error();
  std::string pattern = WithScheme(text);
  const std::string_view literal = LiteralPart(pattern);
  const auto can_match = [&](std::string_view scheme) {
    return literal.starts_with(scheme) || scheme.starts_with(literal);
  };
  if (std::none_of(kSchemes.begin(), kSchemes.end(), can_match)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the pattern '{}' is that of no key's URI, which would start with "
                             "aws-kms://arn:, gcp-kms://projects/, azure-kv://, hcvault://, "
                             "pkcs11: or kmip://",
                             Printable(text)));
  }
  if (pattern.starts_with(kAzureScheme)) pattern = Lower(pattern);
  pattern = TRY(WithAuthority(pattern, kVaultScheme, "/any/keys/any"));
  return WithAuthority(pattern, kKmipScheme, "/any");
}

bool NameKey(const std::vector<std::string>& patterns, const KeyUri& key) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    const auto whole = KeyUri::Parse(pattern);
    if (whole.ok() && whole->IsSameKeyAs(key)) return true;
    return Matches(pattern, key.text()) || Matches(Widened(pattern, key), Widened(key.text(), key));
  });
}

}  // namespace freehold
