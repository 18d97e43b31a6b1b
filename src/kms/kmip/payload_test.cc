#include "kms/kmip/payload.h"

#include "crypto/crypto.h"
#include "gtest/gtest.h"

namespace freehold::kmip {
namespace {

const EncryptionContext kContext = {{"freehold:cluster", "c1"}};

TEST(KmipPayload, OpensUnderItsContextAlone) {
  const SecretBytes key = RandomSecret(kKeySize);
  const SecretBytes payload = SealContext(key, kContext);
  EXPECT_EQ(payload.size(), 64u);
  const auto opened = OpenPayload("Decrypt", payload.ExposeSecret(), kContext);
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(opened->Equals(key));
  for (const EncryptionContext& other :
       {EncryptionContext{}, EncryptionContext{{"freehold:cluster", "c2"}}}) {
    const auto refused = OpenPayload("Decrypt", payload.ExposeSecret(), other);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().meaning, KmsMeaning::kWrongCiphertext);
  }
}

// What AES-CTR lets happen to a ciphertext.
TEST(KmipPayload, NoticesEveryChangedBitAndEveryOtherSize) {
  const SecretBytes payload = SealContext(RandomSecret(kKeySize), kContext);
  const Bytes whole = ToBytes(payload.ExposeSecret());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(OpenPayload("Decrypt", damaged, kContext).has_value()) << bit;
  }
  Bytes longer = whole;
  longer.push_back(0);
  for (const ByteView other : {ByteView(), ByteView(whole).first(32), ByteView(longer)}) {
    EXPECT_FALSE(OpenPayload("Decrypt", other, kContext).has_value()) << other.size();
  }
}

}  // namespace
}  // namespace freehold::kmip
