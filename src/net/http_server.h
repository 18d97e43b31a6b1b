// HttpServer: accepts HTTP/1.1 on one address and hands each whole request to one function.
//
// Knows nothing of what is served. Bodies and headers are bounded, idle connections are dropped,
// keep-alive is kept while more than an eighth of the connections is left; three quarters of them
// may be streams, and one more is answered 503. Without TLS a listener on anything but a loopback
// address is refused unless the caller says that it means it; with a certificate it speaks TLS 1.2
// or 1.3 and nothing else. With an authority for clients, one that shows a certificate must have it
// from there.
// Asio and Beast stay inside http_server.cc. Threads: the handler is called from several threads at
// once. It may block; it then holds one of `threads`. Errors: an address that cannot be bound.
// Spec: RFC 9112.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "net/http.h"

namespace freehold {

// A handler that returns this status has the connection closed with no answer at all.
inline constexpr int kCloseWithoutAnswer = 0;

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

struct TlsCertificate {
  std::string chain_pem;
  SecretBytes key_pem;
  std::string client_authority_pem = {};  // whose certificates clients may show; "" = none
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // numeric, IPv4 or IPv6
  std::uint16_t port = 0;             // 0: any free port
  bool allow_remote = false;          // listen beyond loopback, in the clear
  // What whoever wants to go beyond loopback is told to do.
  std::string clear_text_advice = "give --allow-remote if that is meant";
  int threads = 8;
  std::size_t body_limit = 1 << 20;
  std::size_t connection_limit = 512;
  Duration idle_timeout = std::chrono::seconds(60);     // between requests, and for reading one
  std::shared_ptr<const TlsCertificate> tls = nullptr;  // null: none
};

class HttpServer {
 public:
  // Stops: no new connections, open ones are closed once their request is answered.
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  // "http://127.0.0.1:4566", "https://..." with TLS
  virtual std::string Url() const = 0;
};

// What StartHttpServer would refuse about the address, before anything is made for it.
Status CheckListenAddress(const HttpServerOptions& options);

// Bound and accepting when it returns.
Result<std::unique_ptr<HttpServer>> StartHttpServer(const HttpServerOptions& options,
                                                    HttpHandler handler);

}  // namespace freehold
