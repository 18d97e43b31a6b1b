// PEM files that are ours: a certificate and its key, and those of authorities.
//
// Errors: kInvalidArgument in a sentence that names the file; as ReadRegularFile for one that
// cannot be read. Nobody is asked for a passphrase. Threads: safe.
#pragma once

#include <string>

#include "crypto/certificate.h"

namespace freehold::cli {

// The certificate, with its whole chain if the file has it; the key must be that of the first.
Result<CertificateAndKey> ReadCertificateAndKey(const std::string& certificate_path,
                                                const std::string& key_path);

// It begins with a certificate; "" is no file, and fine.
Status CheckHoldsCertificate(const std::string& path);

}  // namespace freehold::cli
