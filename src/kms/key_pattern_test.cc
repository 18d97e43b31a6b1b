#include "kms/key_pattern.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

constexpr const char* kArn = "arn:aws:kms:us-east-1:111122223333:key/k";

TEST(KeyPattern, HasTheSpellingOfTheTextsThatItIsMatchedAgainst) {
  const std::pair<const char*, const char*> forms[] = {
      {kArn, "aws-kms://arn:aws:kms:us-east-1:111122223333:key/k"},
      {"arn:aws:kms:*:111122223333:key/*", "aws-kms://arn:aws:kms:*:111122223333:key/*"},
      {"aws-kms://*", "aws-kms://*"},
      {"*", "*"},
      {"[ag]*-kms://*", "[ag]*-kms://*"},
      {"projects/p/*", "gcp-kms://projects/p/*"},
      {"https://Acme.vault.azure.net/keys/Orders-*",
       "azure-kv://acme.vault.azure.net/keys/orders-*"},
      {"hcvault://Vault.example.com./transit/keys/*",
       "hcvault://vault.example.com:8200/transit/keys/*"},
      {"hcvault://*.example.com/*", "hcvault://*.example.com/*"},
      {"kmip://KMIP.example.com/*", "kmip://kmip.example.com:5696/*"},
      {"pkcs11:token=T*", "pkcs11:token=T*"},
      {"pkcs11:object=o;token=T", "pkcs11:token=T;object=o"},
  };
  for (const auto& [text, canonical] : forms) {
    const auto pattern = CanonicalKeyPattern(text);
    ASSERT_TRUE(pattern.ok()) << text << ": " << pattern.error().message();
    EXPECT_EQ(*pattern, canonical) << text;
    EXPECT_EQ(CanonicalKeyPattern(*pattern).value(), canonical) << text;
  }
}

TEST(KeyPattern, IsRefusedWhereItCouldMatchNoKey) {
  for (const char* text :
       {"", "orders", "1234abcd-12ab-34cd-56ef-1234567890ab", "us-east-1:*", "key/*",
        "arn:aws:kms:us-east-1:111122223333:alias/k", "aws-kms:", "vault://v/*", "hcvault://@/*"}) {
    const auto pattern = CanonicalKeyPattern(text);
    ASSERT_FALSE(pattern.ok()) << text;
    EXPECT_EQ(pattern.error().code(), ErrorCode::kInvalidArgument);
  }
}

bool Names(const char* pattern, const char* key) {
  return NameKey({CanonicalKeyPattern(pattern).value()}, KeyUri::Parse(key).value());
}

TEST(KeyPattern, NamesAKeyUnderWhicheverOfItsNames) {
  const std::pair<const char*, const char*> same[] = {
      {kArn, kArn},
      {"*", kArn},
      {"arn:aws:kms:us-east-1:111122223333:*", kArn},
      {"arn:aws:kms:us-east-1:111122223333:key/mrk-1",
       "arn:aws:kms:eu-west-1:111122223333:key/mrk-1"},
      {"arn:aws:kms:us-east-1:111122223333:*", "arn:aws:kms:eu-west-1:111122223333:key/mrk-1"},
      {"https://e.vault.azure.net/keys/k-*",
       "https://e.vault.azure.net/keys/K-1/0123456789abcdef0123456789abcdef"},
      {"https://e.vault.azure.net/keys/k-?/*", "https://E.vault.azure.net/keys/K-1"},
      {"hcvault://v/team/transit/keys/*", "hcvault://v/transit/keys/k?namespace=team"},
      {"hcvault://v/transit/keys/*?namespace=team", "hcvault://v:8200/team/transit/keys/k"},
  };
  for (const auto& [pattern, key] : same) EXPECT_TRUE(Names(pattern, key)) << pattern << " " << key;
  const std::pair<const char*, const char*> other[] = {
      {kArn, "arn:aws:kms:us-east-1:111122223333:key/k2"},
      {"arn:aws:kms:us-east-1:111122223333:*", "arn:aws:kms:eu-west-1:111122223333:key/k"},
      {"arn:aws:kms:us-east-1:111122223333:*", "arn:aws:kms:eu-west-1:444455556666:key/mrk-1"},
      {"https://e.vault.azure.net/keys/k-*", "https://e.vault.azure.net/keys/l"},
      {"hcvault://v/team/transit/keys/*", "hcvault://v/transit/keys/k"},
  };
  for (const auto& [pattern, key] : other) {
    EXPECT_FALSE(Names(pattern, key)) << pattern << " " << key;
  }
}

}  // namespace
}  // namespace freehold
