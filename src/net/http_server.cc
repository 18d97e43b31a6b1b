#include "net/http_server.h"

#include "net/http_connection.h"
// Asio's, after the choice of executors there.
#include <boost/asio/ssl/context.hpp>
#include <thread>
#include <vector>

namespace freehold {
namespace {

using namespace internal;
using Acceptor = asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;

class BeastHttpServer : public HttpServer {
 public:
  BeastHttpServer(const HttpServerOptions& options, HttpHandler handler)
      : context_(options.threads),
        acceptor_(context_.get_executor()),
        shared_(std::make_shared<Shared>()) {
    shared_->options = options;
    shared_->handler = std::move(handler);
  }

  ~BeastHttpServer() override {
    shared_->stopping = true;
    const BootTime deadline = SystemClock().Boot() + std::chrono::seconds(5);
    while (shared_->in_flight > 0 && SystemClock().Boot() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    context_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

  Status Listen() {
    const HttpServerOptions& options = shared_->options;
    TRY(CheckListenAddress(options));
    if (options.tls != nullptr) TRY(UseTls(*options.tls));
    error_code error;
    const Tcp::endpoint endpoint(asio::ip::make_address(options.address), options.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
      return ErrnoError(error.value(),
                        fmt::format("listening on {}:{}", options.address, options.port));
    }
    Accept();
    for (int i = 0; i < options.threads; ++i) {
      threads_.emplace_back([this] { context_.run(); });
    }
    return {};
  }

  std::uint16_t port() const override { return port_; }
  std::string Url() const override {
    const std::string& address = shared_->options.address;
    const bool is_v6 = address.find(':') != std::string::npos;
    return fmt::format("http{}://{}:{}", tls_ == nullptr ? "" : "s",
                       is_v6 ? fmt::format("[{}]", address) : address, port_);
  }

 private:
  Status UseTls(const TlsCertificate& certificate) {
    const ByteView key = certificate.key_pem.ExposeSecret();
    tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    error_code error;
    tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                          asio::ssl::context::no_tlsv1_1,
                      error);
    // Nobody is there to type a passphrase.
    if (!error) {
      tls_->set_password_callback(
          [](std::size_t, asio::ssl::context::password_purpose) { return std::string(); }, error);
    }
    if (!error) tls_->use_certificate_chain(asio::buffer(certificate.chain_pem), error);
    if (!error) {
      tls_->use_private_key(asio::buffer(key.data(), key.size()), asio::ssl::context::pem, error);
    }
    if (!error && SSL_CTX_check_private_key(tls_->native_handle()) != 1) {
      ERR_clear_error();
      return Error(ErrorCode::kInvalidArgument, "the key is not that of the certificate");
    }
    if (!error && !certificate.client_authority_pem.empty()) {
      tls_->add_certificate_authority(asio::buffer(certificate.client_authority_pem), error);
      // Without resumption: each connection shows its certificate, and a session has no memory.
      SSL_CTX_set_session_cache_mode(tls_->native_handle(), SSL_SESS_CACHE_OFF);
      SSL_CTX_set_num_tickets(tls_->native_handle(), 0);
      SSL_CTX_set_options(tls_->native_handle(), SSL_OP_NO_TICKET);
      if (!error) tls_->set_verify_mode(asio::ssl::verify_peer, error);
    }
    if (!error) return {};
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the certificate and its key cannot be used: {}", error.message()));
  }

  void Accept() {
    acceptor_.async_accept(
        asio::make_strand(context_.get_executor()), [this](error_code error, Socket socket) {
          if (error == asio::error::operation_aborted) return;
          if (!error && shared_->connections < shared_->options.connection_limit) {
            error_code ignored;
            const auto peer = socket.remote_endpoint(ignored);
            socket.set_option(Tcp::no_delay(true), ignored);
            Serve(std::move(socket), peer.address().to_string());
          } else if (error) {
            // Out of descriptors, most likely: give the others time to finish.
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
          Accept();
        });
  }

  void Serve(Socket socket, std::string peer) {
    if (tls_ == nullptr) {
      std::make_shared<Connection<Socket>>(std::move(socket), std::move(peer), shared_)->Start();
    } else {
      std::make_shared<Connection<SecureStream>>(
          SecureStream(std::move(socket), tls_->native_handle()), std::move(peer), shared_)
          ->Start();
    }
  }

  asio::io_context context_;
  std::unique_ptr<asio::ssl::context> tls_;  // null: none
  Acceptor acceptor_;
  std::shared_ptr<Shared> shared_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

Status CheckListenAddress(const HttpServerOptions& options) {
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is not a numeric IP address", options.address));
  }
  if (address.is_loopback() || options.allow_remote || options.tls != nullptr) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} is not a loopback address, and this server speaks no TLS: "
                           "requests and the keys in them would cross the network in the clear. "
                           "Listen on 127.0.0.1, or {}",
                           options.address, options.clear_text_advice));
}

Result<std::unique_ptr<HttpServer>> StartHttpServer(const HttpServerOptions& options,
                                                    HttpHandler handler) {
  auto server = std::make_unique<BeastHttpServer>(options, std::move(handler));
  TRY(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace freehold
