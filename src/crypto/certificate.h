// Certificates: what a TLS server on this machine shows, signed by an authority made for it.
//
// For the embedded KMS and for tests; and the thumbprint by which a service knows a client's.
// Errors: kInvalidArgument for a PEM that is no certificate, kInternal. Threads: safe.
// Spec: RFC 5280; keys are P-256.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "crypto/rsa.h"

namespace freehold {

struct CertificateAndKey {
  std::string certificate_pem;
  SecretBytes key_pem;  // PKCS#8, unencrypted
};

// Valid from a day before `now` for ten years.
Result<CertificateAndKey> MakeAuthority(const std::string& name, WallTime now);
// For these host names ("localhost", "*.vault.azure.net") and IP addresses.
Result<CertificateAndKey> MakeServerCertificate(const CertificateAndKey& authority,
                                                const std::vector<std::string>& names,
                                                const std::vector<std::string>& addresses,
                                                WallTime now);

// SHA-256 of the first certificate's DER in a PEM.
Result<Bytes> CertificateThumbprint(std::string_view pem);
// The public key of the first certificate in a PEM; kInvalidArgument when it is no RSA key.
Result<RsaKey> CertificateKey(std::string_view pem);

}  // namespace freehold
