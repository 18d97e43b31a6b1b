// KmipClient: one connection to one KMIP server, over mutual TLS, and questions over it.
//
//   FREEHOLD_KMIP_SERVERS    the servers that may be asked, host or host:port, with commas between
//   FREEHOLD_KMIP_CERT_FILE  our certificate, with what it was signed by, in PEM
//   FREEHOLD_KMIP_KEY_FILE   its private key, in PEM, unencrypted
//   FREEHOLD_KMIP_CA_FILE    the only authorities of the server's certificate; unset: the system's
//
// A server that is not named there is never connected to, whatever a key's URI says. Knows the
// envelope, not keys. All of a connection has one deadline, KmsTimeouts::request. One try.
// Errors: KmsFailure when there was no answer; what an answer means is classify.h's.
// Threads: one caller at a time. Spec: KMIP 1.4; KMIP Profiles 1.4, 3.1 (TLS).
#pragma once

#include <vector>

#include "kms/kmip/message.h"
#include "kms/service/surroundings.h"
#include "net/tls_connection.h"

namespace freehold::kmip {

class KmipClient {
 public:
  static KmsResult<KmipClient> Connect(const KmipKeyId& key, const Surroundings& surroundings);

  // Any answer to this operation, whatever it says.
  KmsResult<Answer> Ask(ProtocolVersion version, Operation operation, const Writer& payload);
  // The answer's, when it is a success.
  KmsResult<Answer> Do(ProtocolVersion version, Operation operation, const Writer& payload);

  // The newest version of those that we speak; kWrongUsage when there is none.
  KmsResult<ProtocolVersion> NewestVersion();

  const std::string& our_name() const { return our_name_; }  // of our certificate

 private:
  KmipClient(TlsConnection connection, std::string our_name)
      : connection_(std::move(connection)), our_name_(std::move(our_name)) {}

  KmsResult<SecretBytes> Exchange(Operation operation, ByteView request);

  TlsConnection connection_;
  std::string our_name_;
};

}  // namespace freehold::kmip
