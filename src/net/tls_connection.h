// TlsConnection: bytes to and from one server over TLS, for protocols that are not HTTP.
//
// The server's certificate is verified, and ours shown if the server asks for it. No proxy; never
// to a link-local address or one of a metadata service, whatever a name resolves to. One deadline
// for all of it: from the name's resolution to the last byte of the last answer.
// Buffers are not wiped (they are libcurl's and OpenSSL's): for short-lived processes.
// Errors: HttpFailure, as for a request. What Send() and Receive() report came after the handshake;
// with TLS 1.2 a failure of Open() may be somebody else's who stands in between.
// Threads: one caller at a time. Spec: RFC 8446, RFC 5246.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/clock.h"
#include "net/http_client.h"

namespace freehold {

struct TlsOptions {
  Duration connect_timeout = std::chrono::seconds(2);  // the handshake included
  Duration total_timeout = std::chrono::seconds(5);    // of everything until the connection goes
  std::string ca_bundle;                               // the only authorities; "" = the system's
  std::shared_ptr<const HttpClientIdentity> identity = nullptr;
};

class TlsConnection {
 public:
  // `authority`: host:port.
  static tl::expected<TlsConnection, HttpFailure> Open(const std::string& authority,
                                                       const TlsOptions& options);
  TlsConnection(TlsConnection&&) noexcept;
  TlsConnection& operator=(TlsConnection&&) noexcept;
  ~TlsConnection();

  // All of it. A server that has ended the connection has perhaps said why: that is the failure.
  tl::expected<void, HttpFailure> Send(ByteView bytes);
  // Fills `bytes`; kReset when the server ends before that.
  tl::expected<void, HttpFailure> Receive(MutableByteView bytes);

 private:
  struct State;
  explicit TlsConnection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace freehold
