#include "net/http_server.h"

// The only executor is io_context's own: the type-erased any_io_executor doubles the compile time.
#define BOOST_ASIO_NO_TS_EXECUTORS
#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "fmt/format.h"
#include "net/event_stream.h"
#include "net/tls_stream.h"

namespace freehold {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Executor = asio::strand<asio::io_context::executor_type>;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using SecureStream = TlsStream<Socket>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;
using boost::system::error_code;

// How long, and how much, of a client is read after the last answer.
constexpr Duration kLinger = std::chrono::seconds(2);
constexpr std::size_t kMostDiscarded = 16 << 20;
constexpr std::size_t kDiscardedAtOnce = 16 << 10;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string Lower(beast::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// What all connections of one server share.
struct Shared {
  HttpServerOptions options;
  HttpHandler handler;
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> streams{0};  // of the connections
  std::atomic<int> in_flight{0};        // requests that are read and not yet answered
};

// Once no more than an eighth of the connections is left none is kept for a next request: those are
// for streams, and for who comes.
bool HasRoomToKeep(const Shared& shared) {
  return shared.connections * 8 <= shared.options.connection_limit * 7;
}

// Who holds a stream asks for more beside it: a quarter of the connections is never a stream's.
bool HasRoomForStream(const Shared& shared) {
  return shared.streams * 4 < shared.options.connection_limit * 3;
}

// Counts one request while it lives, so that a stop can wait for its answer.
class InFlight {
 public:
  explicit InFlight(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
    ++shared_->in_flight;
  }
  InFlight(const InFlight& other) : InFlight(other.shared_) {}
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() { --shared_->in_flight; }

 private:
  std::shared_ptr<Shared> shared_;
};

Socket& SocketOf(Socket& socket) { return socket; }
Socket& SocketOf(SecureStream& stream) { return stream.socket(); }

// What it showed was verified by the handshake, for which libssl has parsed it.
ClientCertificate CertificateOf(SecureStream& stream) {
  ClientCertificate shown;
  X509* certificate = SSL_get0_peer_certificate(stream.tls());
  if (certificate == nullptr) return shown;
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  shown.name = name.data();
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size > 0) shown.public_key.assign(der, der + size);
  OPENSSL_free(der);
  return shown;
}

// One connection: read a request, answer it, again. Kept alive by its pending operation.
template <typename Stream>
class Connection : public std::enable_shared_from_this<Connection<Stream>> {
 public:
  Connection(Stream stream, std::string peer, std::shared_ptr<Shared> shared)
      : stream_(std::move(stream)),
        deadline_(stream_.get_executor()),
        peer_(std::move(peer)),
        shared_(std::move(shared)) {
    ++shared_->connections;
  }
  ~Connection() {
    if (events_ != nullptr) --shared_->streams;
    --shared_->connections;
  }

  void Start() {
    if constexpr (std::is_same_v<Stream, SecureStream>) {
      SetDeadline();
      stream_.async_handshake([self = this->shared_from_this()](error_code error, std::size_t) {
        if (error) return;
        self->client_ = CertificateOf(self->stream_);
        self->Read();
      });
    } else {
      Read();
    }
  }

 private:
  void Read() {
    parser_.emplace();
    parser_->body_limit(shared_->options.body_limit);
    parser_->header_limit(32 * 1024);
    SetDeadline();
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](error_code error, std::size_t) { self->OnHead(error); });
  }

  void OnHead(error_code error) {
    if (error) return OnRead(error);
    if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) return ReadBody();
    // It keeps the body back until it is told that the head will do.
    asio::async_write(stream_, asio::buffer(kContinue),
                      [self = this->shared_from_this()](error_code written, std::size_t) {
                        if (!written) self->ReadBody();
                      });
  }

  void ReadBody() {
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](error_code error, std::size_t) { self->OnRead(error); });
  }

  void OnRead(error_code error) {
    if (error == http::error::body_limit || error == http::error::header_limit) {
      return Write({413, {{"content-type", "text/plain"}}, "the request is too large\n"}, false);
    }
    if (error && error.category() == make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return Write({400, {{"content-type", "text/plain"}}, "this is not HTTP\n"}, false);
    }
    if (error || shared_->stopping) return;
    const InFlight in_flight(shared_);
    const bool keep_alive = parser_->keep_alive() && HasRoomToKeep(*shared_) && !shared_->stopping;
    auto message = parser_->release();
    HttpRequest request{std::string(message.method_string()),
                        std::string(message.target()),
                        {},
                        std::move(message.body()),
                        peer_,
                        client_};
    for (const auto& field : message) {
      request.headers.emplace_back(Lower(field.name_string()), std::string(field.value()));
    }
    HttpResponse response = Answer(request);
    if (request.method == "HEAD") response.body.clear();
    if (response.status == kCloseWithoutAnswer) return;
    if (response.stream != nullptr && HasRoomForStream(*shared_)) {
      return StartEvents(std::move(response));
    }
    if (response.stream != nullptr) {
      response.stream->Abandon();
      response = {503, {{"content-type", "text/plain"}}, "too many streams are open\n"};
    }
    Write(std::move(response), keep_alive);
  }

  // A handler that throws (bad_alloc, a library's surprise) costs one answer, not the process.
  HttpResponse Answer(const HttpRequest& request) {
    try {
      return shared_->handler(request);
    } catch (const std::exception& surprise) {
      LogError("http", fmt::format("a request failed: {}", surprise.what()));
      return {500, {{"content-type", "text/plain"}}, "internal error\n"};
    }
  }

  void Write(HttpResponse response, bool keep_alive) {
    message_.emplace(static_cast<http::status>(response.status), 11);
    for (const auto& [name, value] : response.headers) message_->insert(name, value);
    message_->body() = std::move(response.body);
    message_->keep_alive(keep_alive);
    message_->prepare_payload();
    SetDeadline();
    http::async_write(stream_, *message_,
                      [self = this->shared_from_this(), keep_alive, in_flight = InFlight(shared_)](
                          error_code error, std::size_t) {
                        if (!error && keep_alive) return self->Read();
                        if (!error) self->Linger();
                      });
  }

  // A socket that is closed with bytes unread resets the connection, and the answer may be lost
  // with it. So the rest of what the client sends is read, up to a point, until it ends.
  void Linger() {
    SayEnd();
    SetDeadline(std::min<Duration>(kLinger, shared_->options.idle_timeout));
    Discard(kMostDiscarded);
  }

  void SayEnd() {
    if constexpr (std::is_same_v<Stream, SecureStream>) stream_.SayEnd();
    error_code ignored;
    SocketOf(stream_).shutdown(Socket::shutdown_send, ignored);
  }

  void Discard(std::size_t left) {
    buffer_.clear();
    stream_.async_read_some(
        buffer_.prepare(kDiscardedAtOnce),
        [self = this->shared_from_this(), left](error_code error, std::size_t size) {
          if (!error && size < left && !self->shared_->stopping) self->Discard(left - size);
        });
  }

  // The rest of the connection is the stream's. It is kept alive by the stream, and lets go of it
  // when either end is closed.
  void StartEvents(HttpResponse response) {
    events_ = std::move(response.stream);
    ++shared_->streams;
    outgoing_ = fmt::format("HTTP/1.1 {} OK\r\nconnection: close\r\n", response.status);
    for (const auto& [name, value] : response.headers) {
      outgoing_ += fmt::format("{}: {}\r\n", name, value);
    }
    outgoing_ += "\r\n";
    SendEvents();
    NoticeTheEnd();
    events_->Attach([self = this->shared_from_this()] {
      asio::post(self->stream_.get_executor(), [self] { self->PumpEvents(); });
    });
  }

  void PumpEvents() {
    if (sending_) return;
    const bool goes_on = events_->open();
    outgoing_ = events_->Take();
    if (!outgoing_.empty()) return SendEvents();
    if (!goes_on) EndEvents();
  }

  void SendEvents() {
    sending_ = true;
    SetDeadline();
    asio::async_write(stream_, asio::buffer(outgoing_),
                      [self = this->shared_from_this()](error_code error, std::size_t) {
                        self->sending_ = false;
                        self->deadline_.expires_at(Timer::time_point::max());
                        error ? self->EndEvents() : self->PumpEvents();
                      });
  }

  // A client says nothing more: whatever comes is its end.
  void NoticeTheEnd() {
    stream_.async_read_some(
        asio::buffer(&last_byte_, 1),
        [self = this->shared_from_this()](error_code, std::size_t) { self->EndEvents(); });
  }

  void EndEvents() {
    events_->Abandon();
    SayEnd();
    CutOff();
  }

  // For what has now begun, and until it is set anew.
  void SetDeadline() { SetDeadline(shared_->options.idle_timeout); }
  void SetDeadline(Duration after) {
    deadline_.expires_after(after);
    deadline_.async_wait([weak = this->weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || self == nullptr) return;
      if (self->deadline_.expiry() <= Timer::clock_type::now()) self->CutOff();
    });
  }

  // What is pending ends with an error. The descriptor stays ours until then, as libssl knows it.
  void CutOff() {
    error_code ignored;
    SocketOf(stream_).shutdown(Socket::shutdown_both, ignored);
  }

  Stream stream_;
  Timer deadline_;
  std::string peer_;
  std::shared_ptr<Shared> shared_;
  ClientCertificate client_;
  std::shared_ptr<EventStream> events_;  // from here on; null: requests and answers
  std::string outgoing_;
  bool sending_ = false;
  char last_byte_ = 0;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> message_;
};

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
