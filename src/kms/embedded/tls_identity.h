// The certificate that the embedded KMS shows, of an authority made at the first start.
//
//   DIR/ca.pem   the authority's certificate: what clients are told to trust
//   DIR/ca.key   its private key, sealed under the master key
//
// The server's own certificate is new at each start. Errors: the disk's, kKeyData for an authority
// of another master key. Threads: safe.
#pragma once

#include "crypto/certificate.h"
#include "kms/embedded/master_key.h"

namespace freehold::embedded {

Result<CertificateAndKey> TlsIdentity(const std::string& directory, const MasterKey& master,
                                      WallTime now);

}  // namespace freehold::embedded
