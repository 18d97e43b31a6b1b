#include "kms/key_uri.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

TEST(KeyUri, GivesEveryKindItsCanonicalForm) {
  const std::pair<const char*, const char*> forms[] = {
      {"arn:aws:kms:eu-west-1:111122223333:key/k-1",
       "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/k-1"},
      {"projects/p-1/locations/global/keyRings/r_1/cryptoKeys/K",
       "gcp-kms://projects/p-1/locations/global/keyRings/r_1/cryptoKeys/K"},
      {"projects/example.com:p/locations/l/keyRings/r/cryptoKeys/k",
       "gcp-kms://projects/example.com:p/locations/l/keyRings/r/cryptoKeys/k"},
      {"https://Acme.Vault.Azure.net/keys/k/0123456789ABCDEF0123456789abcdef",
       "azure-kv://acme.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef"},
      {"https://acme.vault.azure.net/keys/Orders-K",
       "azure-kv://acme.vault.azure.net/keys/orders-k"},
      {"azure-kv://h1.managedhsm.azure.net/keys/k", "azure-kv://h1.managedhsm.azure.net/keys/k"},
      {"hcvault://Vault.example.com/transit/keys/k",
       "hcvault://vault.example.com:8200/transit/keys/k"},
      {"hcvault://vault.example.com.:08200/transit/keys/k",
       "hcvault://vault.example.com:8200/transit/keys/k"},
      {"hcvault://127.1/transit/keys/K", "hcvault://127.0.0.1:8200/transit/keys/K"},
      {"hcvault://v/transit/keys/k?namespace=root", "hcvault://v:8200/transit/keys/k"},
      {"hcvault://v/transit/keys/k?namespace=", "hcvault://v:8200/transit/keys/k"},
      {"hcvault://[no]", ""},
      {"hcvault://v:1/a/b/keys/k?namespace=admin/team",
       "hcvault://v:1/a/b/keys/k?namespace=admin/team"},
      {"pkcs11:id=%01%fF;object=my%20key;type=secret-key;token=T",
       "pkcs11:token=T;object=my%20key;id=%01%FF"},
      {"kmip://KMIP.example.com/1f2e-K.1", "kmip://kmip.example.com:5696/1f2e-K.1"},
      {"kmip://10.0.0.1:9/k", "kmip://10.0.0.1:9/k"},
      {"kmip://0x0a.0.0.1:0009/k", "kmip://10.0.0.1:9/k"},
  };
  for (const auto& [text, canonical] : forms) {
    const auto uri = KeyUri::Parse(text);
    EXPECT_EQ(uri.ok() ? uri->text() : "", canonical) << text;
    if (!uri.ok()) continue;
    EXPECT_EQ(KeyUri::Parse(canonical)->text(), canonical);
  }
}

TEST(KeyUri, KnowsTheType) {
  EXPECT_EQ(KeyUri::Parse("arn:aws:kms:r:111122223333:key/k")->type(), KmsType::kAwsKms);
  EXPECT_EQ(KeyUri::Parse("projects/p/locations/l/keyRings/r/cryptoKeys/k")->type(),
            KmsType::kGcpCloudKms);
  EXPECT_EQ(KeyUri::Parse("https://a.vault.azure.net/keys/k")->type(), KmsType::kAzureKeyVault);
  EXPECT_EQ(KeyUri::Parse("hcvault://v/transit/keys/k")->type(), KmsType::kHashicorpVault);
  EXPECT_EQ(KeyUri::Parse("pkcs11:token=t;object=o")->type(), KmsType::kPkcs11);
  EXPECT_EQ(KeyUri::Parse("kmip://h/k")->type(), KmsType::kKmip);
  for (const KmsType type : {KmsType::kAwsKms, KmsType::kGcpCloudKms, KmsType::kAzureKeyVault,
                             KmsType::kHashicorpVault, KmsType::kPkcs11, KmsType::kKmip}) {
    EXPECT_EQ(*KmsTypeFromName(NameOf(type)), type);
  }
}

TEST(KeyUri, RefusesWhatCouldLeadElsewhere) {
  for (const char* text : {
           "",
           "arn:aws:kms:eu-west-1:111122223333:alias/k",
           "arn:aws:kms:eu-west-1.evil.example/:111122223333:key/k",
           "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
           "projects/p/locations/l/keyRings/r/cryptoKeys/k:decrypt",
           "projects/../locations/l/keyRings/r/cryptoKeys/k/x",
           "projects/../locations/l/keyRings/r/cryptoKeys/k",
           "projects/./locations/l/keyRings/r/cryptoKeys/k",
           "projects/a..b/locations/l/keyRings/r/cryptoKeys/k",
           "https://vault.azure.net/keys/k",
           "https://a.vault.azure.net.evil.example/keys/k",
           "https://evil.example/.vault.azure.net/keys/k",
           "https://a.b.vault.azure.net/keys/k",
           "https://user@a.vault.azure.net/keys/k",
           "https://a.vault.azure.net:444/keys/k",
           "https://a.vault.azure.net/keys/k/1",
           "https://a.vault.azure.net/secrets/k",
           "hcvault://v@evil/transit/keys/k",
           "hcvault://v/transit/../sys/keys/k",
           "hcvault://v//keys/k",
           "hcvault://v/transit/keys/k?namespace=a&x=b",
           "hcvault://v/transit/keys/k#x",
           "hcvault://v/transit/encrypt/k",
           "pkcs11:object=o",
           "pkcs11:token=t",
           "pkcs11:token=t;object=o?module-path=/tmp/evil.so",
           "pkcs11:token=t;object=o?pin-value=1234",
           "pkcs11:token=t;token=u;object=o",
           "pkcs11:token=t;object=o;type=private",
           "pkcs11:token=t;object=%0a",
           "pkcs11:token=t;object=%4",
           "pkcs11:token=t;;object=o",
           "kmip://h",
           "kmip://h/",
           "kmip:///k",
           "kmip://./k",
           "kmip://h:0/k",
           "kmip://h:65536/k",
           "kmip://user@h/k",
           "kmip://h:port/k",
           "kmip://h/k/more",
           "kmip://h/..",
           "kmip://h/k?version=1.2",
           "kmip://h/k%20",
           "kmip://[::1]/k",
       }) {
    const auto uri = KeyUri::Parse(text);
    ASSERT_FALSE(uri.ok()) << text;
    EXPECT_EQ(uri.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(uri.error().message(), testing::StartsWith("key URI '"));
  }
}

TEST(KeyUriTest, ReplicasAreTheSameMultiRegionKeyInTwoRegions) {
  const std::string key = ":111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
  const auto uri = [](const std::string& text) { return *KeyUri::Parse(text); };
  const KeyUri here = uri("arn:aws:kms:us-east-1" + key);
  EXPECT_TRUE(here.IsReplicaOf(uri("arn:aws:kms:eu-west-1" + key)));
  EXPECT_FALSE(here.IsReplicaOf(here));
  EXPECT_FALSE(here.IsReplicaOf(uri("arn:aws-cn:kms:cn-north-1" + key)));
  EXPECT_FALSE(here.IsReplicaOf(uri("arn:aws:kms:eu-west-1:444455556666:key/mrk-1234")));
  EXPECT_FALSE(uri("arn:aws:kms:us-east-1:111122223333:key/k")
                   .IsReplicaOf(uri("arn:aws:kms:eu-west-1:111122223333:key/k")));
  EXPECT_FALSE(here.IsReplicaOf(uri("hcvault://v.example.com:8200/transit/keys/k")));
}

TEST(KeyUriTest, TheSameKeyIsKnownUnderAllItsNames) {
  const std::string mrk = ":111122223333:key/mrk-1";
  const std::string version = "0123456789abcdef0123456789abcdef";
  const std::string azure = "https://e.vault.azure.net/keys/";
  const std::string google = "/locations/l/keyRings/r/cryptoKeys/k";
  const std::pair<std::string, std::string> same[] = {
      {"arn:aws:kms:us-east-1" + mrk, "aws-kms://arn:aws:kms:us-east-1" + mrk},
      {"arn:aws:kms:us-east-1" + mrk, "arn:aws:kms:eu-west-1" + mrk},
      {"arn:aws:kms:us-east-1:111122223333:key/AB", "arn:aws:kms:us-east-1:111122223333:key/ab"},
      {azure + "Key", azure + "key/" + version},
      {azure + "key/" + version, azure + "key/" + std::string(32, 'a')},
      {"projects/p-1" + google, "projects/123456789012" + google},
      {"projects/p-1" + google, "gcp-kms://projects/P-1" + google},
      {"hcvault://v/transit/keys/k", "hcvault://V.:8200/transit/keys/k?namespace=root"},
      {"hcvault://v/transit/keys/k?namespace=a/b", "hcvault://v/b/transit/keys/k?namespace=a"},
      {"hcvault://v/transit/keys/k?namespace=a/b", "hcvault://v/a/b/transit/keys/k"},
      {"kmip://H/k", "kmip://h.:5696/k"},
      {"pkcs11:token=T;object=K", "pkcs11:token=T;object=K;id=%01;serial=7"},
      {"pkcs11:token=T;object=K", "pkcs11:serial=7;id=%01"},
  };
  for (const auto& [a, b] : same) {
    EXPECT_TRUE(NameSameKey(a, b)) << a << " " << b;
    EXPECT_TRUE(NameSameKey(b, a)) << a << " " << b;
  }
  const std::pair<std::string, std::string> other[] = {
      {"arn:aws:kms:us-east-1" + mrk, "arn:aws:kms:us-east-1" + mrk + "2"},
      {"arn:aws:kms:us-east-1" + mrk, "arn:aws:kms:us-east-1:444455556666:key/mrk-1"},
      {"arn:aws:kms:us-east-1:111122223333:key/k", "arn:aws:kms:eu-west-1:111122223333:key/k"},
      {azure + "key", azure + "key2"},
      {azure + "key", "https://f.vault.azure.net/keys/key"},
      {"projects/p-1" + google, "projects/p-2" + google},
      {"projects/1" + google, "projects/2" + google},
      {"projects/p" + google, "projects/p" + google + "2"},
      {"hcvault://v/transit/keys/k", "hcvault://v/transit/keys/K"},
      {"hcvault://v/transit/keys/k", "hcvault://v/transit/keys/k?namespace=a"},
      {"hcvault://v/transit/keys/k", "hcvault://v:8201/transit/keys/k"},
      {"kmip://h/k", "kmip://h/l"},
      {"pkcs11:token=T;object=K", "pkcs11:token=U;object=K"},
      {"pkcs11:token=T;object=K", "pkcs11:token=T;object=L;id=%01"},
      {"kmip://h/k", "hcvault://h/transit/keys/k"},
      {"nonsense", "kmip://h/k"},
      {"", "kmip://h/k"},
  };
  for (const auto& [a, b] : other) {
    EXPECT_FALSE(NameSameKey(a, b)) << a << " " << b;
    EXPECT_FALSE(NameSameKey(b, a)) << a << " " << b;
  }
  EXPECT_TRUE(NameSameKey("nonsense", "nonsense"));
  EXPECT_FALSE(KeyUri().IsSameKeyAs(*KeyUri::Parse("arn:aws:kms:us-east-1" + mrk)));
}

}  // namespace
}  // namespace freehold
