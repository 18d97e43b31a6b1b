#include "kms/encryption_context.h"

#include <boost/json.hpp>

#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold {

std::string CanonicalContext(const EncryptionContext& context) {
  boost::json::object object;
  for (const auto& [name, value] : context) object[name] = value;
  return boost::json::serialize(object);
}

KmsResult<SecretBytes> RequireKeySize(std::string_view operation, SecretBytes plaintext) {
  if (plaintext.size() == kKeySize) return plaintext;
  return tl::unexpected(OwnFailure(
      KmsMeaning::kWrongCiphertext, operation,
      fmt::format("the plaintext has {} bytes instead of {}", plaintext.size(), kKeySize)));
}

}  // namespace freehold
