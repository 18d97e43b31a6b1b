// Certificates: what a TLS server on this machine shows, signed by an authority made for it.
//
// For the embedded KMS, for the control plane's agents and for tests; and the thumbprint by which a
// service knows a client's.
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

// What a client asks an authority to sign: proves that it has the key.
struct CertificateRequest {
  Bytes request;  // PKCS#10, DER
  SecretBytes key_pem;
};
Result<CertificateRequest> MakeCertificateRequest(const std::string& name);
// SHA-256, in hex, of the public key (SubjectPublicKeyInfo) of a request that proves itself.
Result<std::string> RequestKeyDigest(ByteView request);
// A client's certificate for the key of this request, under this name, whatever name it asks for.
Result<std::string> SignClientCertificate(const CertificateAndKey& authority, ByteView request,
                                          const std::string& name, WallTime now,
                                          Duration valid_for);

// Of a certificate that somebody else has verified.
struct CertificateOwner {
  std::string name;        // the subject's common name
  std::string key_digest;  // SHA-256 of its SubjectPublicKeyInfo, in hex
  WallTime valid_from;
  WallTime valid_until;
};
Result<CertificateOwner> OwnerOfPem(std::string_view pem);
// Whether the certificate is for this private key; kInvalidArgument where that is none, or
// encrypted.
Result<bool> IsKeyOf(const SecretBytes& key_pem, const CertificateOwner& owner);

// SHA-256 of the first certificate's DER in a PEM.
Result<Bytes> CertificateThumbprint(std::string_view pem);
// The public key of the first certificate in a PEM; kInvalidArgument when it is no RSA key.
Result<RsaKey> CertificateKey(std::string_view pem);

}  // namespace freehold
