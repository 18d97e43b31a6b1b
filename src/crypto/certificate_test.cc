#include "crypto/certificate.h"

#include "base/bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

SecretBytes Secret(std::string_view text) { return SecretBytes::CopyOf(AsBytes(text)); }

TEST(IsKeyOf, TellsTheCertificatesKeyFromAnother) {
  const WallTime now{std::chrono::hours(24 * 365 * 55)};
  const CertificateAndKey one = *MakeAuthority("one", now);
  const CertificateAndKey other = *MakeAuthority("other", now);
  const CertificateOwner owner = *OwnerOfPem(one.certificate_pem);
  EXPECT_EQ(IsKeyOf(one.key_pem, owner).value(), true);
  EXPECT_EQ(IsKeyOf(other.key_pem, owner).value(), false);
}

TEST(IsKeyOf, WhatIsNoPrivateKeyIsRefusedAndNobodyIsAskedForAPassphrase) {
  const WallTime now{std::chrono::hours(24 * 365 * 55)};
  const CertificateOwner owner = *OwnerOfPem(MakeAuthority("one", now)->certificate_pem);
  constexpr std::string_view kEncrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
      "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhhKgcaerzQygICCAAw\n"
      "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKpmI5UtLdiXmMVZXBScqAQEgZDm\n"
      "Hzb3ri8FLLdnmTz7cE0zLtkIa6OZ1XGfBcg2NderE2EAxndChgAFzkSh7ZebrLFM\n"
      "a9SkZLqHwAjEcp1RAP8qdTtgiQ5kVBHs9AlZnpiIpfkncPImn3cZuAqI1sJ1or5b\n"
      "h+yG4CT5PR3KnZkuIQNqLzI0GDjMyhka5FG/4BOTeS3rx2tzHXbIHaa+8/enoh0=\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  for (const std::string_view text : {std::string_view(), std::string_view("junk"), kEncrypted}) {
    EXPECT_EQ(IsKeyOf(Secret(text), owner).error().code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace freehold
