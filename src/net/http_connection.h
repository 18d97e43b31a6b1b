// Connection: one client of an HttpServer, from its handshake to its end.
//
// Kept alive by its pending operation; all of its operations run on its own strand. Limits and
// errors: net/http_server.h. Included by http_server.cc alone: the headers of Asio and Beast are
// heavy.
#pragma once

// The only executor is io_context's own: the type-erased any_io_executor doubles the compile time.
#define BOOST_ASIO_NO_TS_EXECUTORS
#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "fmt/format.h"
#include "net/event_stream.h"
#include "net/http_server.h"
#include "net/tls_stream.h"

namespace freehold::internal {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Executor = asio::strand<asio::io_context::executor_type>;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using SecureStream = TlsStream<Socket>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using boost::system::error_code;

// How long, and how much, of a client is read after the last answer.
inline constexpr Duration kLinger = std::chrono::seconds(2);
inline constexpr std::size_t kMostDiscarded = 16 << 20;
inline constexpr std::size_t kDiscardedAtOnce = 16 << 10;

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

inline std::string Lower(beast::string_view text) {
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
inline bool HasRoomToKeep(const Shared& shared) {
  return shared.connections * 8 <= shared.options.connection_limit * 7;
}

// Who holds a stream asks for more beside it: a quarter of the connections is never a stream's.
inline bool HasRoomForStream(const Shared& shared) {
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

inline Socket& SocketOf(Socket& socket) { return socket; }
inline Socket& SocketOf(SecureStream& stream) { return stream.socket(); }

// What it showed was verified by the handshake, for which libssl has parsed it.
inline ClientCertificate CertificateOf(SecureStream& stream) {
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

}  // namespace freehold::internal
