// TlsStream: the server's end of TLS on one socket, read and written by Asio and Beast.
//
// asio::ssl::stream keeps four buffers of 17 KiB as long as a connection lives, two of its own and
// two in libcrypto's pair of BIOs. Here libssl reads and writes the socket itself, and in
// SSL_MODE_RELEASE_BUFFERS it has no buffer while a connection is silent: thousands of agents are.
//
// `Socket` is Asio's, on a strand: all of a connection's operations run there, at most one read and
// one write at a time. Errors are those of the socket, asio::error::eof when the peer has said that
// it ends, and asio::ssl::error for all that is wrong with TLS. Included by http_connection.h
// alone: Asio's headers are heavy.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace freehold {

struct FreeTls {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using TlsPointer = std::unique_ptr<SSL, FreeTls>;

// A server's TLS that reads and writes this descriptor, which stays the caller's. Null: no memory.
TlsPointer TlsOnSocket(SSL_CTX* context, int descriptor);

enum class TlsStep { kDone, kWaitToRead, kWaitToWrite };

// What libssl wants after a call that returned `result`; `error` says how it failed, if it did.
TlsStep StepAfter(SSL* ssl, int result, boost::system::error_code& error);

template <typename Socket>
class TlsStream {
 public:
  using executor_type = typename Socket::executor_type;
  using error_code = boost::system::error_code;

  TlsStream(Socket socket, SSL_CTX* context)
      : socket_(std::move(socket)), ssl_(TlsOnSocket(context, socket_.native_handle())) {
    error_code ignored;  // of a socket that is already gone: the handshake says so
    socket_.native_non_blocking(true, ignored);
  }

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }
  SSL* tls() { return ssl_.get(); }  // null: no memory

  // Tells the client that nothing follows, if that can be said at once.
  void SayEnd() {
    if (ssl_ == nullptr) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

  template <typename Token>
  auto async_handshake(Token&& token) {
    return Begin([](SSL* ssl, std::size_t&) { return SSL_accept(ssl); }, token);
  }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const boost::asio::mutable_buffer buffer = First<boost::asio::mutable_buffer>(buffers);
    return Begin(
        [buffer](SSL* ssl, std::size_t& read) {
          return buffer.size() == 0 ? 1 : SSL_read_ex(ssl, buffer.data(), buffer.size(), &read);
        },
        token);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    const boost::asio::const_buffer buffer = First<boost::asio::const_buffer>(buffers);
    return Begin(
        [buffer](SSL* ssl, std::size_t& written) {
          return buffer.size() == 0 ? 1 : SSL_write_ex(ssl, buffer.data(), buffer.size(), &written);
        },
        token);
  }

 private:
  template <typename Buffer, typename Buffers>
  static Buffer First(const Buffers& buffers) {
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it) {
      if (const Buffer buffer(*it); buffer.size() != 0) return buffer;
    }
    return Buffer();
  }

  // Tries until libssl wants nothing more of the socket.
  template <typename Try>
  struct Operation {
    TlsStream& stream;
    Try attempt;
    std::size_t bytes = 0;
    bool waited = false;
    std::optional<error_code> result = {};

    template <typename Self>
    void operator()(Self& self, error_code error = {}) {
      if (!result.has_value()) {
        const TlsStep step = error ? TlsStep::kDone : stream.Step(attempt, bytes, error);
        if (step != TlsStep::kDone) {
          waited = true;
          return stream.socket_.async_wait(
              step == TlsStep::kWaitToRead ? Socket::wait_read : Socket::wait_write,
              std::move(self));
        }
        result = error;
        // A handler must not run inside the call that began the operation.
        if (!waited) return boost::asio::post(stream.get_executor(), std::move(self));
      }
      self.complete(*result, bytes);
    }
  };

  template <typename Try, typename Token>
  auto Begin(Try attempt, Token& token) {
    return boost::asio::async_compose<Token, void(error_code, std::size_t)>(
        Operation<Try>{*this, attempt}, token, socket_);
  }

  template <typename Try>
  TlsStep Step(Try& attempt, std::size_t& bytes, error_code& error) {
    if (ssl_ == nullptr) {
      error = make_error_code(boost::system::errc::not_enough_memory);
      return TlsStep::kDone;
    }
    ERR_clear_error();
    return StepAfter(ssl_.get(), attempt(ssl_.get(), bytes), error);
  }

  Socket socket_;
  TlsPointer ssl_;
};

}  // namespace freehold
