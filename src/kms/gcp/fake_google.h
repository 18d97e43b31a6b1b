// For tests only: a service account's file, and Google's answers.
#pragma once

#include <boost/json.hpp>

#include "crypto/rsa.h"
#include "fmt/format.h"
#include "kms/service/crc32c.h"
#include "kms/service/fake_surroundings.h"
#include "net/http.h"

namespace freehold::gcp {

inline constexpr const char* kKeyName = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
inline constexpr const char* kOwn = "op@operator.iam.gserviceaccount.com";
inline constexpr const char* kCustomers = "freehold@customer.iam.gserviceaccount.com";

inline const RsaKey& FakeKey() {
  static const RsaKey key = *RsaKey::Generate(2048);
  return key;
}

inline std::string ServiceAccountFile(const std::string& token_uri) {
  const SecretBytes pem = FakeKey().PrivatePem();
  return boost::json::serialize(boost::json::object{{"type", "service_account"},
                                                    {"client_email", kOwn},
                                                    {"private_key_id", "key-1"},
                                                    {"private_key", AsText(pem.ExposeSecret())},
                                                    {"token_uri", token_uri}});
}

inline HttpResponse TokenAnswer(const std::string& token) {
  return {
      200, {}, R"({"access_token":")" + token + R"(","expires_in":3599,"token_type":"Bearer"})"};
}

inline HttpResponse ImpersonationAnswer(const std::string& token) {
  return {200, {}, R"({"accessToken":")" + token + R"(","expireTime":"2026-01-01T00:15:00Z"})"};
}

inline HttpResponse GoogleError(int code, const std::string& status,
                                const std::string& message = "the words",
                                const std::string& reason = "") {
  return {
      code,
      {},
      fmt::format(R"({{"error":{{"code":{},"status":"{}","message":"{}","details":[{}]}}}})", code,
                  status, message, reason.empty() ? "" : R"({"reason":")" + reason + "\"}")};
}

inline HttpResponse EncryptAnswer(const std::string& name, ByteView ciphertext,
                                  bool verified = true) {
  return {200,
          {},
          fmt::format(R"({{"name":"{}","ciphertext":"{}","ciphertextCrc32c":"{}",)"
                      R"("verifiedPlaintextCrc32c":{},)"
                      R"("verifiedAdditionalAuthenticatedDataCrc32c":true}})",
                      name, Base64Encode(ciphertext), Crc32c(ciphertext), verified)};
}

inline HttpResponse DecryptAnswer(ByteView plaintext, unsigned off_by = 0) {
  return {200,
          {},
          fmt::format(R"({{"plaintext":"{}","plaintextCrc32c":"{}","usedPrimary":true}})",
                      Base64Encode(plaintext), Crc32c(plaintext) + off_by)};
}

}  // namespace freehold::gcp
